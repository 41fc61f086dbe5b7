#!/usr/bin/env bash
# The first normal numbers of a seed depend on how many are drawn, and on the strides of the tensor that they are put into.
#
# Versions: torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: After torch.manual_seed(0), torch.randn(16) begins with torch.randn(8), as it does in NumPy and as torch.rand
#           does. A transposed or channels-last tensor of the same shape gets the same numbers, in its order or in memory.
# Seen:     From 16 elements on, another algorithm draws: no number of randn(16)[:8] is one of randn(8). If the count is
#           no multiple of 16, the last 16 are drawn anew, so that randn(17) and randn(16) differ from their second
#           number on. A tensor that is not contiguous is filled by the first algorithm whatever its size, so
#           torch.nn.init gives a convolution other weights before than after model.to(memory_format=channels_last):
#           not one of 576 is the same.
# Output:
#   equal numbers at the beginning of   8 and  15: 8 of 8
#   equal numbers at the beginning of   8 and  16: 0 of 8
#   equal numbers at the beginning of  16 and  17: 1 of 16
#   equal numbers at the beginning of  16 and  32: 16 of 16
#   the same for torch.rand,            8 and  16: 8 of 8
#   weights of a convolution that are also in its channels-last form: 0 of 576
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
import torch


def drawn(count, draw=torch.randn):
    torch.manual_seed(0)
    return draw(count)


def equal(few, many, draw=torch.randn):
    return int((drawn(few, draw) == drawn(many, draw)[:few]).sum())


EXPECTED = {(8, 15): 8, (8, 16): 0, (16, 17): 1, (16, 32): 16}
for (few, many), count in EXPECTED.items():
    print(f"equal numbers at the beginning of {few:3} and {many:3}: {equal(few, many)} of {few}")
    assert equal(few, many) == count
print(f"the same for torch.rand,          {8:3} and {16:3}: {equal(8, 16, torch.rand)} of 8")
assert equal(8, 16, torch.rand) == 8
transposed = torch.empty(8, 8).T
torch.manual_seed(0)
assert torch.equal(transposed.normal_().T.flatten()[:8], drawn(8)), "its memory is filled as that of a short one"
weights = {}
for layout in (torch.contiguous_format, torch.channels_last):
    layer = torch.nn.Conv2d(4, 16, 3).to(memory_format=layout)
    torch.manual_seed(0)
    torch.nn.init.normal_(layer.weight)
    weights[layout] = layer.weight.detach().contiguous().numpy().ravel()
shared = np.intersect1d(*weights.values()).size
print(f"weights of a convolution that are also in its channels-last form: {shared} of {weights[torch.channels_last].size}")
assert shared == 0
PY
