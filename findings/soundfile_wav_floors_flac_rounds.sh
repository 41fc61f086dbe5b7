#!/usr/bin/env bash
# The same floats become different integers in a 16-bit WAV and in a 16-bit FLAC.
#
# Versions: soundfile 0.14.0 with its libsndfile 1.2.2, numpy 2.4.6 (Python 3.11).
# Expected: PCM_16 is PCM_16. soundfile.write rounds a float to the nearest integer in either container, or at
#           least in the same way, so that a lossless WAV and a lossless FLAC of one array hold the same samples.
# Seen:     WAV always rounds down (floor), FLAC rounds to the nearest. A WAV is therefore half a step too low on
#           average, which is a DC offset, and -1e-9, silence for every ear, is stored as -1.
# Output:
#   WAV  error in steps: mean -0.50, from -1.00 to 0.00; -1e-9 is stored as -1
#   FLAC error in steps: mean 0.00, from -0.50 to 0.50; -1e-9 is stored as 0
#   samples that differ between the two files: 50 %
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

x = np.random.default_rng(0).uniform(-0.9, 0.9, 200_000)
stored, means = {}, {}
for kind in ("WAV", "FLAC"):
    def kept(values):
        soundfile.write("x", values, 16000, format=kind, subtype="PCM_16")
        return soundfile.read("x", dtype="int16")[0]

    stored[kind] = kept(x)
    error = stored[kind] - x * 32768
    means[kind] = abs(round(error.mean(), 2)) * np.sign(round(error.mean(), 2)) + 0
    quiet = kept(np.full(100, -1e-9))
    print(f"{kind:4} error in steps: mean {means[kind]:.2f}, from {error.min():.2f} to {error.max() + 0:.2f};"
          f" -1e-9 is stored as {quiet[0]}")
    assert (quiet == {"WAV": -1, "FLAC": 0}[kind]).all()
assert means == {"WAV": -0.5, "FLAC": 0.0}, means
differ = (stored["WAV"] != stored["FLAC"]).mean()
print(f"samples that differ between the two files: {100 * differ:.0f} %")
assert 0.49 < differ < 0.51
PY
