#!/usr/bin/env bash
# LedoitWolf does not shrink at all when it has only two samples, which is when shrinkage is needed most.
#
# Versions: scikit-learn 1.9.1, numpy 2.4.6 (Python 3.11).
# Expected: The fewer the samples, the stronger the shrinkage, and the covariance can be inverted for a Mahalanobis
#           distance also in 8 dimensions. OAS does so for any number here, LedoitWolf from three samples on.
# Seen:     With two samples of any data the shrinkage is 0 and the covariance has rank 1. (Seen from their mean, both
#           samples are the same up to the sign. Their outer products agree, so the formula measures no
#           uncertainty.) Four samples then shrink more than three.
# Output:
#   2 samples: LedoitWolf shrinkage 0.00, rank 1; OAS shrinkage 0.76, rank 8
#   3 samples: LedoitWolf shrinkage 0.34, rank 8; OAS shrinkage 0.83, rank 8
#   4 samples: LedoitWolf shrinkage 0.58, rank 8; OAS shrinkage 1.00, rank 8
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from sklearn.covariance import OAS, LedoitWolf

x = np.random.default_rng(0).normal(size=(4, 8))
seen = {}
for n in (2, 3, 4):
    fits = [kind().fit(x[:n]) for kind in (LedoitWolf, OAS)]
    seen[n] = [(abs(fit.shrinkage_), np.linalg.matrix_rank(fit.covariance_)) for fit in fits]
    (a, rank_a), (b, rank_b) = seen[n]
    print(f"{n} samples: LedoitWolf shrinkage {a:.2f}, rank {rank_a}; OAS shrinkage {b:.2f}, rank {rank_b}")
assert seen[2][0][0] < 1e-9
assert seen[2][0][1] == 1
assert seen[2][1][0] > 0.5
assert all(seen[n][k][1] == 8 for n in (3, 4) for k in (0, 1))
PY
