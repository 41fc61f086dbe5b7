#!/usr/bin/env bash
# PCA with ten rows per feature finds other components than with one row less: it no longer centres the data first.
#
# Versions: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: More rows make a PCA better. Its default solver is chosen by the shape, and the documentation says that
#           covariance_eigh, the one for many rows, forms "the covariance matrix (on centered data)".
# Seen:     It forms X.T @ X and takes the outer product of the means off afterwards. In float32, which PCA keeps,
#           features that vary by 1 around 1000 (levels in raw steps, temperatures in kelvin, speeds in rpm) lose all
#           digits of their variance: with 199 rows of 20 features the first variance is right, with 200 it is five
#           times too high and the last ones are 0. A whitened or Mahalanobis distance after it is noise. No warning.
#           PCA(svd_solver="full"), or subtracting the mean before, is right for any number of rows.
# Output (digits of the wrong numbers vary with the processor):
#   rows  solver             first variance, by the covariance in float64   last variance, by the covariance in float64
#    199  full               1.82  1.82                                     0.52  0.52
#    200  covariance_eigh    8.40  1.65                                     0.00  0.54
#   2000  covariance_eigh   10.58  1.18                                     0.00  0.83
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from sklearn.decomposition import PCA

print("rows  solver             first variance, by the covariance in float64   last variance, by the covariance in float64")
for rows in (199, 200, 2000):
    features = (np.random.default_rng(rows).standard_normal((rows, 20)) + 1000).astype(np.float32)
    true = np.linalg.eigvalsh(np.cov(features.astype(np.float64), rowvar=False))[::-1]
    pca, full = PCA().fit(features), PCA(svd_solver="full").fit(features)
    centred = PCA().fit(features - features.mean(axis=0))
    solver, found = pca._fit_svd_solver, pca.explained_variance_
    print(f"{rows:4}  {solver:15}  {found[0]:6.2f}  {true[0]:.2f}{found[-1]:41.2f}  {true[-1]:.2f}")
    for right in (full, centred):
        assert np.allclose(right.explained_variance_, true, rtol=1e-3)
    if rows == 199:
        assert solver == "full" and np.allclose(found, true, rtol=1e-3)
    else:
        assert solver == "covariance_eigh" and found[0] > 1.5 * true[0] and found[-1] < 0.1 * true[-1]
PY
