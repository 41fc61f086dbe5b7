#!/usr/bin/env bash
# scipy.stats.gamma.fit of the same scores in other units finds another distribution.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: A gamma distribution with free location and scale follows its data: the fit of k * x has the same shape
#           as that of x, and k times every quantile. A detection threshold does not depend on the unit of the score.
# Seen:     It does. Of 20 draws with 500 values each, every 90 % quantile is right in the unit 1. In smaller units
#           4 and 7 of the 20 are about ten to a thousand times too high, in a larger one 3 are wrong; no warning.
#           Most draws stay right in all units, so a test with one seed shows nothing. With floc=0 all are right.
# Output:
#   unit 0.0001: wrong 90 % quantiles: 7 of 20, the worst is 1036.21 times that of the data; with floc=0: 0 of 20
#   unit   0.01: wrong 90 % quantiles: 4 of 20, the worst is 11.38 times that of the data; with floc=0: 0 of 20
#   unit      1: wrong 90 % quantiles: 0 of 20, the worst is 1.05 times that of the data; with floc=0: 0 of 20
#   unit  10000: wrong 90 % quantiles: 3 of 20, the worst is 44.23 times that of the data; with floc=0: 0 of 20
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import warnings

import numpy as np
from scipy.stats import gamma

warnings.simplefilter("error")
draws = [gamma.rvs(2.0, scale=3.0, size=500, random_state=seed) for seed in range(20)]


def ratios(unit, **fixed):
    """The 90 % quantile of each fit over that of its data."""
    fits = [gamma.fit(unit * x, **fixed) for x in draws]
    return np.array([gamma.ppf(0.9, *fit) / unit / np.quantile(x, 0.9) for fit, x in zip(fits, draws)])


wrong = {}
for unit in (1e-4, 1e-2, 1, 10_000):
    free, anchored = ratios(unit), ratios(unit, floc=0)
    wrong[unit] = sum(abs(np.log(free)) > 0.2)
    print(f"unit {unit:6g}: wrong 90 % quantiles: {wrong[unit]} of 20, the worst is {free.max():.2f} times that of the "
          f"data; with floc=0: {sum(abs(np.log(anchored)) > 0.2)} of 20")
    assert (abs(np.log(anchored)) < 0.2).all()
assert wrong[1] == 0
assert wrong[1e-4] > 0
assert wrong[1e-2] > 0
PY
