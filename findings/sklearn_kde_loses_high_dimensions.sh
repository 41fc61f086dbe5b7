#!/usr/bin/env bash
# KernelDensity with its defaults, atol=0 and rtol=0, is off by 200 nats in 64 dimensions; with one large leaf it is exact.
#
# Versions: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: atol and rtol are 0: the tree may leave nothing out, and the log-density is the sum over all rows to rounding,
#           whatever the size of its leaves.
# Seen:     The tree starts with the largest sum that the box around all rows allows, and takes away what its branches
#           turn out not to have. In many dimensions the density is e**-36 of that first bound and less, which is below the
#           rounding of a float64, and rounding is what the subtractions leave. The scores of embeddings are then nearly
#           the same for all, far rows and near ones: anomalies look like the rest. Ball tree and depth first are no better.
#           Up to 80 rows the tree has one leaf, so small tests pass, and leaf_size=len(rows) is exact. No warning.
# Output (1000 normal rows, bandwidth 0.5; test rows alike, and 1.2 times as wide):
#   dimensions   largest error of the log-density   AUC, leaf_size=40   leaf_size=1000
#            2                                0.0               0.558            0.558
#           16                               14.6               0.741            0.741
#           32                               79.1               0.606            0.830
#           64                              234.6               0.594            0.892
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python -W error - <<'PY'
import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KernelDensity

BANDWIDTH, ROWS, TESTED = 0.5, 1000, 200


def summed(rows, tested):
    """Log-density as its definition has it: the mean of a Gaussian around every row."""
    exponents = -cdist(tested, rows, "sqeuclidean") / (2 * BANDWIDTH**2)
    return logsumexp(exponents, axis=1) - np.log(len(rows)) - rows.shape[1] * np.log(BANDWIDTH * np.sqrt(2 * np.pi))


anomalous = np.repeat([0, 1], TESTED)
print("dimensions   largest error of the log-density   AUC, leaf_size=40   leaf_size=1000")
seen = {}
for dimensions in (2, 16, 32, 64):
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, dimensions))
    tested = random.normal(size=(2 * TESTED, dimensions)) * np.where(anomalous, 1.2, 1.0)[:, None]
    exact = summed(rows, tested)
    usual, one_leaf = (
        KernelDensity(bandwidth=BANDWIDTH, **settings).fit(rows).score_samples(tested)
        for settings in ({}, {"leaf_size": ROWS})
    )
    assert np.allclose(one_leaf, exact, rtol=1e-10)
    error = np.abs(usual - exact).max()
    areas = [roc_auc_score(anomalous, -scores) for scores in (usual, one_leaf)]
    seen[dimensions] = error, areas[1] - areas[0]
    print(f"{dimensions:10}{error:35.1f}{areas[0]:20.3f}{areas[1]:17.3f}")
    for settings in ({"algorithm": "ball_tree"}, {"breadth_first": False}):
        other = KernelDensity(bandwidth=BANDWIDTH, **settings).fit(rows).score_samples(tested)
        assert dimensions < 32 or np.abs(other - exact).max() > 30
    few = KernelDensity(bandwidth=BANDWIDTH).fit(rows[:80]).score_samples(tested)
    assert np.allclose(few, summed(rows[:80], tested), rtol=1e-10), "one leaf"
assert seen[2][0] < 1e-6 and seen[32][0] > 30 and seen[64][0] > 100 and seen[64][1] > 0.2
PY
