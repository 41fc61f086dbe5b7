#!/usr/bin/env bash
# np.std of float16 features over rows is 10 % too small from ten thousand rows on, and half from a hundred thousand; np.mean is right.
#
# Versions: numpy 2.4.6 (Python 3.11).
# Expected: Embeddings are often kept in float16. np.mean sums them in float32, "for extra precision", as it says, and np.cov
#           in float64. np.std, called beside them to standardize, loses no more than a digit; its documentation warns that
#           it computes in the precision of its input, and calls the result inaccurate for that.
# Seen:     Over axis 0 the squares are added one after the other in float16, whose numbers from 2048 on are 2 apart: the sum
#           stands still where the next square is less than half a step. No warning. So z-scores grow with the number of rows
#           that they were fitted on. The same numbers as one contiguous column are right, until their sum exceeds 65504: then
#           the result is inf. np.linalg.norm does both, too. np.std(x, axis=0, dtype=np.float32) avoids it.
# Output (digits may vary with the processor):
#     rows   mean is off by   std over axis 0   std of one column   root of np.cov   in float64
#     1000          1.0e-05              0.98                0.99             0.99         0.99
#    10000          3.5e-06              0.90                1.00             1.00         1.00
#   100000          9.2e-07              0.46                 inf             1.00         1.00
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np

print("  rows   mean is off by   std over axis 0   std of one column   root of np.cov   in float64")
seen = {}
for rows in (1000, 10_000, 100_000):
    features = np.random.default_rng(0).standard_normal((rows, 4)).astype(np.float16)
    exact = features.astype(np.float64)
    off = np.abs(features.mean(axis=0) - exact.mean(axis=0)).max()
    with np.errstate(over="ignore"):
        column = float(np.ascontiguousarray(features[:, 0]).std())
    over_rows, true = float(features.std(axis=0)[0]), float(exact.std(axis=0)[0])
    covariance = float(np.sqrt(np.cov(features, rowvar=False)[0, 0]))
    print(f"{rows:6}{off:17.1e}{over_rows:18.2f}{column:20.2f}{covariance:17.2f}{true:13.2f}")
    assert off < 1e-3 and abs(covariance / true - 1) < 1e-3
    assert abs(features.std(axis=0, dtype=np.float32)[0] / true - 1) < 1e-3
    seen[rows] = over_rows / true, column
assert seen[1000][0] > 0.97 and seen[10_000][0] < 0.93 and seen[100_000][0] < 0.6
assert abs(seen[10_000][1] - 1) < 0.03 and seen[100_000][1] == float("inf")
PY
