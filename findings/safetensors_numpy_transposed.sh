#!/usr/bin/env bash
# safetensors.numpy.save_file of a transposed array stores other values, without a word.
#
# Versions: safetensors 0.8.0, numpy 2.4.6 (Python 3.11).
# Expected: What is saved is loaded again; or an error, as safetensors.torch raises for a transposed tensor.
# Seen:     The shape is that of the transposed array, the bytes are those of the memory behind it: the values come
#           back in the wrong places. The same for an array in Fortran order, which is what scipy and MATLAB readers
#           and many factorisations hand out. np.ascontiguousarray before the save avoids it.
# Output:
#   saved [[0, 3], [1, 4], [2, 5]], loaded [[0, 1], [2, 3], [4, 5]]
#   Fortran order: saved [[0, 1, 2], [3, 4, 5]], loaded [[0, 3, 1], [4, 2, 5]]
#   np.ascontiguousarray: saved [[0, 3], [1, 4], [2, 5]], loaded [[0, 3], [1, 4], [2, 5]]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from safetensors.numpy import load_file, save_file

a = np.arange(6, dtype=np.int64).reshape(2, 3)


def again(values):
    save_file({"a": values}, "a.safetensors")
    return load_file("a.safetensors")["a"].tolist()


print(f"saved {a.T.tolist()}, loaded {again(a.T)}")
print(f"Fortran order: saved {a.tolist()}, loaded {again(np.asfortranarray(a))}")
print(f"np.ascontiguousarray: saved {a.T.tolist()}, loaded {again(np.ascontiguousarray(a.T))}")
assert again(a.T) == [[0, 1], [2, 3], [4, 5]]
assert again(np.asfortranarray(a)) == [[0, 3, 1], [4, 2, 5]]
assert again(np.ascontiguousarray(a.T)) == a.T.tolist()
PY
