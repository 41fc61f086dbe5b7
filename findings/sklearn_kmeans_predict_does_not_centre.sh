#!/usr/bin/env bash
# KMeans.predict of the rows that it was fitted on contradicts its labels_, down to chance; MiniBatchKMeans learns chance.
#
# Versions: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1 (Python 3.11).
# Expected: fit(X).labels_ and predict(X) agree but for ties, and clusters stay where they are if a constant is added.
# Seen:     fit takes the mean off first, which the documentation of its copy_x calls "more numerically accurate". predict,
#           score and the fit of MiniBatchKMeans do not: they compare |c|^2 - 2 x.c in the type of the data. Of
#           float32 features around 1000 (levels in raw steps, temperatures in kelvin, speeds in rpm) nothing is left of
#           differences of 0.1. So labels_ of the train clips are right, predict of the same clips is half right at 1000 and
#           a coin at 5000, score is not -inertia_, and nothing warns. float64, and the same features around 0, are right. Subtracting
#           a mean before fit and predict avoids it.
# Output (adjusted Rand index with the true clusters, 1 right and 0 chance; digits vary with the processor):
#   float32 around   KMeans labels_   its predict   score / -inertia_   MiniBatchKMeans labels_   float64: predict, mini batch
#                0             1.00          1.00                1.00                      1.00              1.00         1.00
#             1000             1.00          0.50                3.42                      0.18              1.00         1.00
#             5000             1.00          0.00                9.20                      0.00              1.00         1.00
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score

truth = np.repeat([0, 1], 200)


def agreement(offset, kind):
    """Return the agreement of labels, predict and mini batch with the truth, and the score as a share of the inertia."""
    rng = np.random.default_rng(0)
    x = (offset + 0.1 * rng.standard_normal((400, 16)) + 0.4 * truth[:, None]).astype(kind)
    model = KMeans(2, n_init=5, random_state=0).fit(x)
    mini = MiniBatchKMeans(2, n_init=5, random_state=0).fit(x)
    rows = model.labels_, model.predict(x), mini.labels_
    return [adjusted_rand_score(truth, row) for row in rows] + [-model.score(x) / model.inertia_]


print("float32 around   KMeans labels_   its predict   score / -inertia_   MiniBatchKMeans labels_   float64: predict, mini batch")
seen = {}
for offset in (0, 1000, 5000):
    fitted, predicted, mini, share = seen[offset] = agreement(offset, np.float32)
    _, exact, exact_mini, exact_share = agreement(offset, np.float64)
    print(f"{offset:14}{fitted:17.2f}{abs(predicted):14.2f}{share:20.2f}{mini:26.2f}{exact:18.2f}{exact_mini:13.2f}")
    assert fitted > 0.95 and exact > 0.95 and exact_mini > 0.95 and abs(exact_share - 1) < 0.01
assert min(seen[0][:3]) > 0.95 and abs(seen[0][3] - 1) < 0.01
assert seen[1000][1] < 0.9 and seen[5000][1] < 0.3 and seen[5000][2] < 0.3 and seen[5000][3] > 2
PY
