#!/usr/bin/env bash
# soxr: silence in front of a recording changes its first resampled samples, by up to 2 % of full scale.
#
# Versions: soxr 1.1.0, numpy 2.4.6 (Python 3.11).
# Expected: A recording begins as if silence had gone before: resampled after a whole number of periods of zeros, it
#           gives the same samples, later, to single precision. From 48 to 16 kHz it does.
# Seen:     Where quality HQ works in several stages (44.1 to 16 kHz, 25.6 to 16 kHz, 192 to 16 kHz), the first output
#           samples differ, far above rounding: without zeros in front, a later stage starts from nothing, where the
#           one before it would ring already. So a filter measured by impulses inside a signal is not the whole of the
#           resampler, and a block of a stream cannot be resampled alone after zeros.
# Output:
#   48000 to 16000 Hz: 0 of the first samples differ, at most by 3e-07
#   44100 to 16000 Hz: 2 of the first samples differ, at most by 2e-03
#   25600 to 16000 Hz: 46 of the first samples differ, at most by 9e-03
#   192000 to 16000 Hz: 51 of the first samples differ, at most by 2e-02
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soxr==1.1.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
from math import gcd

import numpy as np
import soxr

ROUNDING = 1e-5
seen = {}
for source in (48000, 44100, 25600, 192000):
    common = gcd(source, 16000)
    period, made = source // common, 16000 // common
    sound = np.random.default_rng(0).uniform(-1, 1, 2 * source).astype(np.float32)
    periods = -(-source // period)
    later = np.concatenate([np.zeros(periods * period, np.float32), sound])
    alone = soxr.resample(sound, source, 16000, quality="HQ")[:8000]
    after = soxr.resample(later, source, 16000, quality="HQ")[periods * made :][:8000]
    error = np.abs(alone - after)
    differ = np.flatnonzero(error > ROUNDING)
    seen[source] = len(differ), error.max()
    assert len(differ) == 0 or differ.max() < 500, "only the beginning differs"
    print(f"{source} to 16000 Hz: {len(differ)} of the first samples differ, at most by {error.max():.0e}")
assert seen[48000][0] == 0
assert seen[44100][0] > 0
assert seen[25600][0] > 20
assert seen[192000][0] > 20
assert seen[192000][1] > 1e-3
PY
