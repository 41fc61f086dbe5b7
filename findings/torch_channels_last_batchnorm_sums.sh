#!/usr/bin/env bash
# A convolutional network turned to channels-last trains with batch statistics that are a thousand times less exact.
#
# Versions: torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11), one thread.
# Expected: The memory format of a tensor changes the speed of nn.BatchNorm2d, and its result in the last bit.
# Seen:     In training, a contiguous batch has its mean and variance exact to float32. A channels-last batch has them
#           summed up in float32, value after value: the error grows with the number of values of a channel. A batch
#           of 64 spectrograms of 246 x 46 has its variance wrong by 3e-4 and its output by 1e-3. Statistics in
#           eval() are not summed, so inference shows nothing; what was trained carries it.
# Output (digits vary a little with the processor):
#   contiguous     mean off by 1.1e-07, variance by 8.1e-08 of it, output by 6.2e-07
#   channels-last  mean off by 6.7e-05, variance by 3.4e-04 of it, output by 9.1e-04
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import torch
from torch import nn

torch.set_num_threads(1)
x = torch.randn(64, 16, 246, 46, generator=torch.Generator().manual_seed(0)) + 3
exact = x.double()
mean, variance = exact.mean((0, 2, 3)), exact.var((0, 2, 3))
output = (exact - mean[:, None, None]) / torch.sqrt(exact.var((0, 2, 3), unbiased=False) + 1e-5)[:, None, None]


def off(batch):
    norm = nn.BatchNorm2d(16, affine=False, momentum=1.0)
    errors = norm(batch) - output, norm.running_mean - mean, (norm.running_var - variance) / variance
    return [float(error.abs().max()) for error in errors]


apart = {"contiguous": off(x), "channels-last": off(x.contiguous(memory_format=torch.channels_last))}
for name, (of_output, of_mean, of_variance) in apart.items():
    print(f"{name:14} mean off by {of_mean:.1e}, variance by {of_variance:.1e} of it, output by {of_output:.1e}")
assert all(error < 5e-6 for error in apart["contiguous"])
assert all(last > 50 * first for first, last in zip(*apart.values(), strict=True))
PY
