#!/usr/bin/env bash
# soxr.resample of int16 adds noise: from 16 kHz to 16 kHz it changes the samples, and silence comes back noisy.
#
# Versions: soxr 1.1.0, numpy 2.4.6 (Python 3.11).
# Expected: With the same rate in and out, the samples come back as they were. Digital silence stays silence. Two
#           equal channels stay equal.
# Seen:     For int16 input, and only for it, the result is dithered, also when nothing is resampled, and
#           soxr.resample has no parameter for it. A quarter of the silent samples become -1 or +1. Each channel
#           draws its own noise: left minus right of two equal channels is no longer zero.
# Output:
#   int16   silence that is no longer 0:  23 %, ramp changed:  25 %, equal channels that differ:  40 %
#   int32   silence that is no longer 0:   0 %, ramp changed:   0 %, equal channels that differ:   0 %
#   float32 silence that is no longer 0:   0 %, ramp changed:   0 %, equal channels that differ:   0 %
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soxr==1.1.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
import soxr

silence, ramp = np.zeros(16000), np.arange(-8000, 8000)
for kind in ("int16", "int32", "float32"):
    noisy = (soxr.resample(silence.astype(kind), 16000, 16000) != 0).mean()
    changed = (soxr.resample(ramp.astype(kind), 16000, 16000) != ramp).mean()
    left, right = soxr.resample(np.stack([ramp, ramp], axis=1).astype(kind), 16000, 16000).T
    differ = (left != right).mean()
    print(f"{kind:7} silence that is no longer 0: {100 * noisy:3.0f} %, ramp changed: {100 * changed:3.0f} %, "
          f"equal channels that differ: {100 * differ:3.0f} %")
    if kind == "int16":
        assert min(noisy, changed, differ) > 0.1
    else:
        assert max(noisy, changed, differ) == 0
PY
