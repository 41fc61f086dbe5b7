#!/usr/bin/env bash
# torch.load(mmap=True) of a checkpoint whose zip was packed again with compression returns wrong weights.
#
# Versions: torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: A checkpoint is a zip file. Packed again with deflate (to save space, or by a tool that moves archives)
#           it loads as before; where memory mapping is impossible, mmap=True raises.
# Seen:     Without mmap the weights are right. With mmap=True the compressed bytes themselves are taken for the
#           numbers: right names, shapes and types, wrong values, no error and no warning. A checkpoint of two
#           tensors raised RuntimeError instead, about a storage that cannot be resized.
# Output:
#   mmap=False: 8 of 8 tensors right
#   mmap=True:  0 of 8 tensors right
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import warnings
import zipfile

import torch

warnings.simplefilter("error")
torch.manual_seed(0)
weights = {f"layer{k}.weight": torch.randn(32, 32) for k in range(8)}
torch.save(weights, "plain.pt")
with zipfile.ZipFile("plain.pt") as plain, zipfile.ZipFile("packed.pt", "w", zipfile.ZIP_DEFLATED) as packed:
    for name in plain.namelist():
        packed.writestr(name, plain.read(name))


def right(**options):
    loaded = torch.load("packed.pt", weights_only=True, **options)
    assert all(loaded[k].shape == w.shape and loaded[k].dtype == w.dtype for k, w in weights.items())
    return sum(torch.equal(loaded[k], w) for k, w in weights.items())


print(f"mmap=False: {right(mmap=False)} of 8 tensors right")
print(f"mmap=True:  {right(mmap=True)} of 8 tensors right")
assert right(mmap=False) == 8
assert right(mmap=True) == 0
PY
