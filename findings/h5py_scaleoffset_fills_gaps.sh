#!/usr/bin/env bash
# HDF5's scale-offset filter turns NaN into an ordinary number; a float32 chunk that begins with NaN is never read again.
#
# Versions: h5py 3.16.0 with its HDF5 2.0.0, numpy 2.4.6 (Python 3.11, x86-64).
# Expected: As h5py documents it: scaleoffset=2 keeps two digits, "stored values thus have absolute error less than
#           0.5*10**(-scaleoffset)". A gap that a logger marks as NaN stays NaN, or cannot be written.
# Seen:     A gap is filled with a number out of the range of its chunk: here once the least value and once the next.
#           Nothing that looks for NaN afterwards finds it. If the first value of a chunk is NaN, float64 comes back as it
#           was, since the chunk is then stored whole; of float32 the file is written without an error, and reading it
#           raises OSError, for all values of the chunk.
# Output:
#   HDF5 2.0.0
#   float64 [1.5, nan, -2.0, 7.7]    is read as [1.5, -2.0, -2.0, 7.7]
#   float64 [0.0, 0.25, nan, 0.5]    is read as [0.0, 0.25, 0.25, 0.5]
#   float64 [nan, 1.5, -2.0, 7.7]    is read as [nan, 1.5, -2.0, 7.7]
#   float32 [1.5, nan, -2.0, 7.7]    is read as [1.5, -2.0, -2.0, 7.7]
#   float32 [nan, 1.5, -2.0, 7.7]    cannot be read: filter returned failure during read
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import h5py
import numpy as np

NAN = float("nan")
print("HDF5", h5py.version.hdf5_version)


def read(values, kind):
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("x", data=np.array(values, dtype=kind), scaleoffset=2, chunks=True)
    try:
        with h5py.File("x.h5") as file:
            back = np.round(file["x"][:].astype(float), 2).tolist()
    except OSError as error:
        print(f"{kind} {values!s:24} cannot be read: {str(error).partition('(')[2].rstrip(')')}")
        return None
    print(f"{kind} {values!s:24} is read as {back}")
    return back


assert read([1.5, NAN, -2.0, 7.7], "float64") == [1.5, -2.0, -2.0, 7.7]
assert read([0.0, 0.25, NAN, 0.5], "float64") == [0.0, 0.25, 0.25, 0.5]
assert np.isnan(read([NAN, 1.5, -2.0, 7.7], "float64")[0])
assert read([1.5, NAN, -2.0, 7.7], "float32") == [1.5, -2.0, -2.0, 7.7]
assert read([NAN, 1.5, -2.0, 7.7], "float32") is None
PY
