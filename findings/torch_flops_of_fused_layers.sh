#!/usr/bin/env bash
# torch's own FLOP counter finds 0 FLOPs in an LSTM, and in a transformer layer as soon as it is used for inference.
#
# Versions: torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: FlopCounterMode counts the same operations for the same layer and input, whatever path computes them:
#           2 * 50 * 4 * 128 * (64 + 128) = 9,830,400 for the LSTM below.
# Seen:     nn.LSTM counts 0, in training and in inference, because oneDNN computes it as one operator for which the
#           counter has no formula; with oneDNN off the count is exact. nn.GRU is always counted.
#           nn.TransformerEncoderLayer is counted with gradients on, and is 0 in eval() under no_grad, which takes
#           the fused path. A sum over a whole model hides it: the other layers are counted.
# Output:
#   LSTM, oneDNN on                  0
#   LSTM, oneDNN off           9830400
#   GRU                        7372800
#   encoder, with gradients   27852800
#   encoder, eval and no_grad        0
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import warnings

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

x = torch.zeros(1, 50, 64)


def flops(layer):
    with FlopCounterMode(display=False) as counter:
        layer(x)
    return counter.get_total_flops()


lstm, gru = nn.LSTM(64, 128, batch_first=True), nn.GRU(64, 128, batch_first=True)
encoder = nn.TransformerEncoderLayer(64, 4, batch_first=True).eval()
counts = {"LSTM, oneDNN on": flops(lstm)}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with torch.backends.mkldnn.flags(enabled=False):
        counts["LSTM, oneDNN off"] = flops(lstm)
counts["GRU"] = flops(gru)
counts["encoder, with gradients"] = flops(encoder)
with torch.no_grad():
    counts["encoder, eval and no_grad"] = flops(encoder)
for name, count in counts.items():
    print(f"{name:25} {count:8}")
assert list(counts.values()) == [0, 9830400, 7372800, 27852800, 0]
PY
