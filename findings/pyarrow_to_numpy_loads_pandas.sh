#!/usr/bin/env bash
# Array.to_numpy of pyarrow imports pandas wherever it is installed, though nothing of pandas is asked for.
#
# Versions: pyarrow 26.0.1, pandas 3.1.1, numpy 2.4.6 (Python 3.11).
# Expected: A view of a buffer as a NumPy array, made by a method that works without pandas installed, needs none of it.
# Seen:     The first to_numpy() of any array imports pandas, which is some 400 modules for every process that
#           reads one column: each worker of a pool, each command. numpy.from_dlpack(array) gives the same view without.
# Output:
#   from_dlpack: pandas imported: no
#   to_numpy: pandas imported: yes, 408 modules more
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import sys

import numpy as np
import pyarrow as pa

array = pa.Array.from_buffers(pa.float64(), 2, [None, pa.py_buffer(np.array([1.0, 2.0]))])
first = np.from_dlpack(array)
before = set(sys.modules)
print("from_dlpack: pandas imported:", "yes" if "pandas" in before else "no")
second = array.to_numpy()
more = len(set(sys.modules) - before)
print(f"to_numpy: pandas imported: {'yes' if 'pandas' in sys.modules else 'no'}, {more} modules more")
assert np.array_equal(first, second)
assert "pandas" not in before
assert "pandas" in sys.modules
assert more > 200
PY
