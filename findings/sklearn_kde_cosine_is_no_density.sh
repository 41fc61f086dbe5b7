#!/usr/bin/env bash
# KernelDensity(kernel="cosine") is no density in even dimensions: in two it integrates to 0.36, in four it is NaN.
#
# Versions: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: score_samples returns log-likelihoods "normalized to be probability densities", as it says: the integral of
#           their exp is 1 for every kernel, in any number of dimensions.
# Seen:     It is, for the other five kernels, and for this one in 1, 3, 5 ... dimensions. In 2 its integral is 0.36, in 6
#           0.005, in 10 4e-6: a choice between kernels by likelihood, as GridSearchCV makes it, is decided by that
#           constant. In 4, 8, 12 ... every score is NaN, also of the points that it was fitted on. No warning. In one
#           dimension, which the documentation plots, all six are right.
# Output (integral over the ball in which the kernel is not zero):
#   dimensions         1       2       3       4       5       6       7       8
#   epanechnikov   1.000   1.000   1.000   1.000   1.000   1.000   1.000   1.000
#   linear         1.000   1.000   1.000   1.000   1.000   1.000   1.000   1.000
#   cosine         1.000   0.363   1.000     nan   1.000   0.005   1.000     nan
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python -W error - <<'PY'
import numpy as np
from scipy.special import gamma
from sklearn.neighbors import KernelDensity

STEPS = 20_000
radii = (np.arange(STEPS) + 0.5) / STEPS


def integral(kernel, dimensions):
    """Integral of the density of one point at the origin, whose bandwidth is 1, in shells around it."""
    points = np.zeros((STEPS, dimensions))
    points[:, 0] = radii
    density = np.exp(KernelDensity(kernel=kernel, bandwidth=1.0).fit(points[:1] * 0).score_samples(points))
    shells = 2 * np.pi ** (dimensions / 2) / gamma(dimensions / 2) * radii ** (dimensions - 1) / STEPS
    return float((density * shells).sum())


DIMENSIONS = range(1, 9)
print("dimensions  " + "".join(f"{d:8}" for d in DIMENSIONS))
seen = {}
for kernel in ("epanechnikov", "linear", "cosine"):
    seen[kernel] = [integral(kernel, d) for d in DIMENSIONS]
    print(f"{kernel:12}" + "".join(f"{value:8.3f}" for value in seen[kernel]))
for kernel in ("epanechnikov", "linear"):
    assert np.allclose(seen[kernel], 1, atol=1e-3)
cosine = np.array(seen["cosine"])
assert np.allclose(cosine[::2], 1, atol=1e-3)
assert abs(cosine[1] - 0.363) < 0.002 and abs(cosine[5] - 0.0045) < 0.001 and np.isnan(cosine[[3, 7]]).all()
PY
