#!/usr/bin/env bash
# Samples as scipy and h5py read them from a big-endian file are written byte by byte in the wrong order by soundfile
# and npTDMS: 1 becomes 256.
#
# Versions: soundfile 0.14.0, npTDMS 1.13.0, scipy 1.17.1, h5py 3.16.0, numpy 2.4.6 (Python 3.11, little-endian).
# Expected: A NumPy array knows its byte order. It is written as the numbers that it holds (as scipy.io.savemat and h5py
#           do), or refused (as torch and pyarrow do).
# Seen:     scipy.io.wavfile.read gives '>i2' for a RIFX file, h5py for a big-endian data set, np.frombuffer for what
#           comes over a network. soundfile.write takes the type by its name, which is "int16" for either order, and
#           TdmsWriter does alike: both write the bytes of memory. Sound becomes noise at full scale, -1 stays -1 and 0
#           stays 0; no error, no warning. samples.astype(samples.dtype.newbyteorder("=")) avoids it.
# Output:
#   RIFX by scipy: >i2 [0, 1, 2, 3, 256, -1]
#     soundfile, WAV:  [0, 256, 512, 768, 1, -1]
#     soundfile, FLAC: [0, 256, 512, 768, 1, -1]
#     npTDMS:          [0, 256, 512, 768, 1, -1]
#     scipy, h5py:     [0, 1, 2, 3, 256, -1] [0, 1, 2, 3, 256, -1]
#   0.5 as '>f8': soundfile 2.84e-319, npTDMS 2.84e-319
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check \
  soundfile==0.14.0 npTDMS==1.13.0 scipy==1.17.1 h5py==3.16.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import struct

import h5py
import numpy as np
import soundfile
from nptdms import ChannelObject, TdmsFile, TdmsWriter
from scipy.io import loadmat, savemat, wavfile

WRITTEN, SWAPPED = [0, 1, 2, 3, 256, -1], [0, 256, 512, 768, 1, -1]
body = struct.pack(">6h", *WRITTEN)
head = b"RIFX" + struct.pack(">I", 36 + len(body)) + b"WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
with open("x.wav", "wb") as file:
    file.write(head + b"data" + struct.pack(">I", len(body)) + body)
samples = wavfile.read("x.wav")[1]
print(f"RIFX by scipy: {samples.dtype.str} {samples.tolist()}")
assert (samples.dtype.str, samples.tolist()) == (">i2", WRITTEN)


def by_tdms(values):
    with TdmsWriter("x.tdms") as writer:
        writer.write_segment([ChannelObject("g", "c", values)])
    return TdmsFile.read("x.tdms")["g"]["c"][:].tolist()


def by_soundfile(values, kind, subtype, read_as):
    soundfile.write("y", values, 16000, format=kind, subtype=subtype)
    return soundfile.read("y", dtype=read_as)[0].tolist()


wav, flac = (by_soundfile(samples, kind, "PCM_16", "int16") for kind in ("WAV", "FLAC"))
tdms = by_tdms(samples)
print(f"  soundfile, WAV:  {wav}\n  soundfile, FLAC: {flac}\n  npTDMS:          {tdms}")
savemat("x.mat", {"x": samples})
with h5py.File("x.h5", "w") as file:
    file["x"] = samples
with h5py.File("x.h5") as file:
    right = loadmat("x.mat")["x"].ravel().tolist(), file["x"][:].tolist()
print("  scipy, h5py:    ", *right)
assert wav == flac == tdms == SWAPPED
assert right == (WRITTEN, WRITTEN)
half = np.array([0.5], dtype=">f8")
floats = by_soundfile(half, "WAV", "DOUBLE", "float64")[0], by_tdms(half)[0]
print(f"0.5 as '>f8': soundfile {floats[0]:.3g}, npTDMS {floats[1]:.3g}")
assert floats == (half.view("<f8")[0],) * 2
PY
