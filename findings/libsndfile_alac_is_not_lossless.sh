#!/usr/bin/env bash
# ALAC in a CAF file, a lossless codec, returns other sound: noise at 20, 24 and 32 bits comes back wrong in every frame.
#
# Versions: soundfile 0.14.0 with its libsndfile 1.2.2, numpy 2.4.6 (Python 3.11).
# Expected: What fits into the bits of the subtype is read as it was written, as with FLAC and with ALAC_16.
# Seen:     Quiet sound comes back. As soon as packets no longer get smaller by compression, all their samples are
#           wrong, by more than their own level: stereo noise at 20 bits from a tenth of full scale on, stereo at 24
#           bits and mono at 32 bits near full scale, and of stereo at 32 bits one channel. 16 bits never. The length is
#           right and nothing is raised, so a test with a sine, a silence or speech finds the codec lossless.
# Output:
#              stereo 0.03 of full scale   stereo 0.1   stereo 0.9   mono 0.9      (samples that are wrong)
#   ALAC_16                            0 %          0 %          0 %        0 %
#   ALAC_20                            0 %        100 %        100 %        0 %
#   ALAC_24                            0 %          0 %        100 %        0 %
#   ALAC_32                            0 %          0 %         50 %      100 %
#   FLAC 24                            0 %          0 %          0 %        0 %
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
import soundfile

CASES = ((0.03, 2), (0.1, 2), (0.9, 2), (0.9, 1))
FORMATS = {f"ALAC_{bits}": (bits, "CAF", f"ALAC_{bits}") for bits in (16, 20, 24, 32)} | {"FLAC 24": (24, "FLAC", "PCM_24")}


def wrong(bits, kind, subtype, level, channels):
    """Percent of samples of noise that are not read as they were written; each fits into the bits."""
    noise = np.random.default_rng(0).uniform(-level, level, (6 * 4096, channels))
    samples = (np.round(noise * 2 ** (bits - 1)).astype(np.int64) << (32 - bits)).astype(np.int32)
    soundfile.write("x", samples, 48000, format=kind, subtype=subtype)
    back = soundfile.read("x", dtype="int32", always_2d=True)[0]
    assert back.shape == samples.shape
    return round(100 * (back != samples).mean())


print("           stereo 0.03 of full scale   stereo 0.1   stereo 0.9   mono 0.9      (samples that are wrong)")
seen = {}
for name, how in FORMATS.items():
    seen[name] = [wrong(*how, *case) for case in CASES]
    print(f"{name}{seen[name][0]:29} %{seen[name][1]:11} %{seen[name][2]:11} %{seen[name][3]:9} %")
assert seen == {
    "ALAC_16": [0, 0, 0, 0],
    "ALAC_20": [0, 100, 100, 0],
    "ALAC_24": [0, 0, 100, 0],
    "ALAC_32": [0, 0, 50, 100],
    "FLAC 24": [0, 0, 0, 0],
}, seen
PY
