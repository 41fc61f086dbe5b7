#!/usr/bin/env bash
# thop counts 25 times too many operations for a convolution whose input has no batch axis.
#
# Versions: thop 0.1.1.post2209072238, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: torch accepts (channels, length) where it accepts (batch, channels, length), and computes the same: 16
#           output channels * 200 positions * 8 input channels * 3 taps = 76,800 multiplications for both.
# Seen:     thop takes the axis after the first for the channels of the input. Without a batch axis that is the
#           length, so the count grows with the square of the length: 202 for 8. No warning.
# Output:
#   input (1, 8, 202): 76800
#   input (8, 202): 1939200
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check thop==0.1.1.post2209072238 torch==2.13.0 numpy==2.4.6 \
    || exit 2
venv/bin/python - <<'PY'
import thop
import torch

layer = torch.nn.Conv1d(8, 16, 3)
counts = []
for shape in ((1, 8, 202), (8, 202)):
    x = torch.zeros(shape)
    assert layer(x).shape == (*shape[:-2], 16, 200)
    counts.append(int(thop.profile(layer, inputs=(x,), verbose=False)[0]))
    print(f"input {shape}: {counts[-1]}")
assert counts == [76800, 202 * 16 * 200 * 3]
PY
