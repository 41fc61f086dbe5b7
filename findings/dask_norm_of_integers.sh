#!/usr/bin/env bash
# The level of a 16-bit recording by dask.array.linalg.norm is 200 times too small, or NaN; NumPy's norm of the same is right.
#
# Versions: dask 2026.8.0, numpy 2.4.6 (Python 3.11).
# Expected: dask.array.linalg.norm is that of NumPy, in chunks. Both return float64 for int16, which scipy.io.wavfile.read
#           gives.
# Seen:     NumPy turns integers into floats first. dask squares them in their own type, adds the squares up in int64, and
#           takes the root as float64, so that nothing in the result tells of it. From 182 on a square does not fit into
#           16 bits: the sum is as good as random, and its root NaN where it is negative, with a warning that names no
#           cause. 24 bits, which wavfile.read gives as int32 with the low byte empty, have the norm 0: every square is a
#           multiple of 2**16 and a sum of them is 0. (ord=1 and ord=inf are right, as mean, var and std are.)
# Output (noise with a deviation of 3000, 100 frames of 160 samples):
#                                 numpy        dask
#   16 bits                    3.785e+05        1911
#   24 bits                     2.48e+10           0
#   8 bits                     1.647e+04        1219
#   floats                     3.785e+05   3.785e+05
#   frames of 16 bits whose norm is NaN: 44 of 100
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check "dask[array]==2026.8.0" numpy==2.4.6 || exit 2
venv/bin/python -W ignore - <<'PY'
import dask.array as da
import numpy as np

noise = np.round(np.random.default_rng(0).normal(0, 3000, (100, 160)))
RECORDINGS = {
    "16 bits": noise.astype(np.int16),
    "24 bits": noise.astype(np.int32) << 16,
    "8 bits": (128 + np.round(noise / 128)).astype(np.uint8),
    "floats": noise.astype(np.float32),
}
print(f"{'':24}{'numpy':>12}{'dask':>12}")
seen = {}
for name, samples in RECORDINGS.items():
    chunked = da.from_array(samples, chunks=(25, 160))
    seen[name] = float(np.linalg.norm(samples)), float(da.linalg.norm(chunked).compute())
    print(f"{name:24}{seen[name][0]:12.4g}{seen[name][1]:12.4g}")
    assert da.linalg.norm(chunked).dtype == (samples.dtype if name == "floats" else np.float64)
    assert np.isclose(da.std(chunked).compute(), samples.std(dtype=np.float64), rtol=1e-5)
    for order in (1, np.inf):
        right = np.linalg.norm(samples.astype(np.float64).ravel(), order)
        assert np.isclose(da.linalg.norm(chunked.ravel(), order).compute(), right, rtol=1e-5)
frames = da.from_array(RECORDINGS["16 bits"], chunks=(25, 160))
missing = int(np.isnan(da.linalg.norm(frames, axis=1).compute()).sum())
print(f"frames of 16 bits whose norm is NaN: {missing} of {len(noise)}")
assert not np.isnan(np.linalg.norm(RECORDINGS["16 bits"], axis=1)).any() and 20 < missing < 80
assert not seen["16 bits"][1] > seen["16 bits"][0] / 50
assert seen["24 bits"][1] == 0 and seen["8 bits"][1] < seen["8 bits"][0] / 2
assert np.isclose(*seen["floats"], rtol=1e-5)
PY
