#!/usr/bin/env bash
# thop.profile, which only counts operations, puts a frozen batch norm back into training.
#
# Versions: thop 0.1.1.post2209072238, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: Counting leaves the model as it was, as thop's own restoring of the mode suggests.
# Seen:     thop remembers the mode of the outermost module only and gives it to every module inside. A model in
#           training whose batch norm was frozen with eval(), as is usual in fine-tuning, comes back with the batch
#           norm in training: the next forward pass moves the running statistics, for good.
# Output:
#   before the count: batch norm in training: False, running mean after a forward pass: 0.0
#   after the count:  batch norm in training: True, running mean after a forward pass: 0.5
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
from torch import nn

model = nn.Sequential(nn.Identity(), nn.BatchNorm1d(1)).train()
norm = model[1].eval()
x = torch.full((4, 1, 50), 5.0)
model(x)
before = norm.training, norm.running_mean.item()
print(f"before the count: batch norm in training: {before[0]}, running mean after a forward pass: {before[1]}")
thop.profile(model, inputs=(x,), verbose=False)
model(x)
after = norm.training, norm.running_mean.item()
print(f"after the count:  batch norm in training: {after[0]}, running mean after a forward pass: {after[1]}")
assert before == (False, 0.0)
assert after == (True, 0.5)
PY
