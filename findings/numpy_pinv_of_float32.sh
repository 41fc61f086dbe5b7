#!/usr/bin/env bash
# np.linalg.pinv of a float32 covariance inverts rounding errors: Mahalanobis distances of billions, some of them negative.
#
# Versions: numpy 2.4.6, scipy 1.17.1 (Python 3.11).
# Expected: A pseudo-inverse exists for covariances of fewer clips than dimensions: directions without variance are left out.
#           Embeddings are float32, and so is the covariance that is stored with them. scipy.linalg.pinv, scipy.linalg.pinvh,
#           torch.linalg.pinv and np.linalg.matrix_rank take what is small from the type of the matrix.
# Seen:     np.linalg.pinv cuts at 1e-15 of the largest singular value, whatever the type, as its documentation says. float32
#           has rounding errors of 1e-7, far above that limit, so not one direction is left out. hermitian=True does the same. The distance of an ordinary clip is then 1e9 instead of 36, or below zero. The
#           same covariance in float64 is right, so a test with numpy's own random numbers shows nothing. rtol=None, which
#           means the type's own limit and is not the same as leaving rtol out, is right.
# Output (the wrong numbers vary with the processor):
#                           float64    float32   float32, hermitian   float32, rtol=None   float32, scipy
#   10 clips,  128 dim          0.7    1.2e+09              1.2e+09                  0.7              0.7
#   64 clips,  128 dim         35.9    1.2e+09              1.2e+09                 35.9             35.9
#   100 clips, 512 dim         31.6   -1.1e+10             -1.1e+10                 31.6             31.6
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from scipy import linalg

print(f"{'':22}{'float64':>9}{'float32':>11}{'float32, hermitian':>21}{'float32, rtol=None':>21}{'float32, scipy':>17}")
for clips, dim in ((10, 128), (64, 128), (100, 512)):
    train = np.random.default_rng(1).standard_normal((clips, dim))
    clip = np.random.default_rng(2).standard_normal(dim)
    exact = np.cov(train, rowvar=False)
    single = np.cov(train.astype(np.float32), rowvar=False).astype(np.float32)

    def squared(inverse):
        return float(clip @ inverse.astype(np.float64) @ clip)

    right = squared(np.linalg.pinv(exact))
    default, hermitian = squared(np.linalg.pinv(single)), squared(np.linalg.pinv(single, hermitian=True))
    by_type, by_scipy = squared(np.linalg.pinv(single, rtol=None)), squared(linalg.pinv(single))
    name = f"{f'{clips} clips,':11}{dim} dim"
    print(f"{name:22}{right:9.1f}{default:11.1e}{hermitian:21.1e}{by_type:21.1f}{by_scipy:17.1f}")
    assert abs(default) > 1e6 * right and abs(hermitian) > 1e6 * right
    assert abs(by_type / right - 1) < 1e-2 and abs(by_scipy / right - 1) < 1e-2
    assert np.linalg.matrix_rank(single) == clips - 1
PY
