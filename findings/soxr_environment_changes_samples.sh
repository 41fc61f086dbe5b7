#!/usr/bin/env bash
# An environment variable changes the samples that soxr returns, and float64 at the setting HQ is computed in float32.
#
# Versions: soxr 1.1.0, numpy 2.4.6 (Python 3.11, x86-64).
# Expected: The same samples, rates and quality give the same result in every process of one machine. float64 samples
#           keep more than float32 ones.
# Seen:     With SOXR_USE_SIMD32=0 (or SOXR_USE_SIMD=0) the setting HQ, which is the default, returns other samples:
#           the library reads the variable by itself and takes another FFT. float64 samples change as much as float32
#           ones, by the variable named for 32 bits: at HQ soxr computes both in single precision. At VHQ nothing
#           changes.
# Output:
#   HQ  float32: changed by the variable, by up to 3e-07 of the largest sample
#   HQ  float64: changed by the variable, by up to 3e-07 of the largest sample
#   VHQ float32: the same
#   VHQ float64: the same
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soxr==1.1.0 numpy==2.4.6 || exit 2
cat > resampled.py <<'PY'
import sys

import numpy as np
import soxr

noise = np.random.default_rng(0).standard_normal(48000)
for quality in ("HQ", "VHQ"):
    for kind in ("float32", "float64"):
        made = soxr.resample(noise.astype(kind), 48000, 16000, quality=quality)
        np.save(f"{sys.argv[1]}_{quality}_{kind}.npy", made)
PY
venv/bin/python resampled.py usual
SOXR_USE_SIMD32=0 venv/bin/python resampled.py other
venv/bin/python - <<'PY'
import numpy as np

for quality in ("HQ", "VHQ"):
    for kind in ("float32", "float64"):
        usual, other = (np.load(f"{which}_{quality}_{kind}.npy") for which in ("usual", "other"))
        apart = np.abs(usual.astype(float) - other).max() / np.abs(usual).max()
        how = f"changed by the variable, by up to {apart:.0e} of the largest sample" if apart else "the same"
        print(f"{quality:3} {kind}: {how}")
        assert (1e-9 < apart < 1e-5) if quality == "HQ" else apart == 0
PY
