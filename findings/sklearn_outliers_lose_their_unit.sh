#!/usr/bin/env bash
# LocalOutlierFactor and IsolationForest depend on the unit of the features: small ones lose their outliers, or have no others.
#
# Versions: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1 (Python 3.11).
# Expected: Ratios of densities and random splits know no unit. Power spectra in g^2/Hz, or squares of quiet wav samples,
#           are of the order of 1e-9 to 1e-12. Multiplied by a constant, the same clips should be the same outliers.
# Seen:     LocalOutlierFactor adds 1e-10 to every mean reachability distance before it divides. Distances of that size
#           or less make all densities alike, so that most outliers pass for normal. IsolationForest takes any feature
#           for a constant that varies by 1e-7 or less: its trees have no split, all clips have one score, and predict
#           calls every one an outlier. Neither warns.
# Output:
#   features times 1: LocalOutlierFactor 96 outliers of 200; IsolationForest 108, 200 different scores
#   features times 1e-09: LocalOutlierFactor 95 outliers of 200; IsolationForest 200, 1 different scores
#   features times 1e-11: LocalOutlierFactor 17 outliers of 200; IsolationForest 200, 1 different scores
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

rng = np.random.default_rng(0)
train = rng.normal(size=(200, 8))
test = np.concatenate([rng.normal(size=(100, 8)), 3 * rng.normal(size=(100, 8))])
seen = {}
for unit in (1, 1e-9, 1e-11):
    lof = (LocalOutlierFactor(novelty=True).fit(unit * train).predict(unit * test) < 0).sum()
    forest = IsolationForest(random_state=0).fit(unit * train)
    outliers, scores = (forest.predict(unit * test) < 0).sum(), len(set(forest.score_samples(unit * test)))
    seen[unit] = int(lof), int(outliers), scores
    print(f"features times {unit:g}: LocalOutlierFactor {lof} outliers of 200; IsolationForest {outliers}, {scores} different scores")
assert seen[1][0] > 80
assert seen[1][2] > 150
assert seen[1e-11][0] < 30
assert seen[1e-9][1:] == (200, 1)
PY
