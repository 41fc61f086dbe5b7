#!/usr/bin/env bash
# The last layer of PeAudioEncoder is not among its hidden_states: in its place stands the final output, and one token less.
#
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: output_hidden_states=True gives what goes into the first layer and what comes out of each: layers + 1 tensors of
#           one shape, whose entry k is that of layer k, token by token. So it is in Wav2Vec2, WavLM, HuBERT and AST.
# Seen:     The library writes last_hidden_state over the last entry. In this model that has been through a norm and a matrix
#           since, and its first token, which is the pooled output, has been cut off: entry t is the token t + 1 of all
#           others. What the last layer gave is nowhere. A mean over the layers fails by the shape, but a search for the best
#           layer takes the output for a layer, and compares it, frame by frame, with layers that begin one token earlier.
#           A hook on model.layers[-1] gives the layer itself.
# Output (3 layers, 8 frames):
#   layer 1: gave (1, 9, 32), hidden_states[1] is (1, 9, 32), the same
#   layer 2: gave (1, 9, 32), hidden_states[2] is (1, 9, 32), the same
#   layer 3: gave (1, 9, 32), hidden_states[3] is (1, 8, 32), another
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/pip install -q --no-compile --disable-pip-version-check transformers==5.23.0 || exit 2
venv/bin/python - <<'PY'
import torch
from transformers import PeAudioEncoderConfig
from transformers.models.pe_audio.modeling_pe_audio import PeAudioEncoder

LAYERS = 3
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8}
torch.manual_seed(0)
model = PeAudioEncoder(PeAudioEncoderConfig(num_hidden_layers=LAYERS, **sizes)).eval()
left = []
for layer in model.layers:
    layer.register_forward_hook(lambda _, __, output: left.append(output))
with torch.no_grad():
    output = model(torch.randn(1, 1, 8 * 1920), output_hidden_states=True)
    states = output.hidden_states
    last = model.output(model.norm(left[-1]))
assert len(states) == LAYERS + 1 and len(left) == LAYERS
for k, (state, of_layer) in enumerate(zip(states[1:], left, strict=True), start=1):
    print(f"layer {k}: gave {tuple(of_layer.shape)}, hidden_states[{k}] is {tuple(state.shape)}", end="")
    print(", the same" if state.shape == of_layer.shape and torch.equal(state, of_layer) else ", another")
for k in range(1, LAYERS):
    assert torch.equal(states[k], left[k - 1])
assert states[-1].shape[1] == left[-1].shape[1] - 1
assert torch.equal(states[-1], output.last_hidden_state)
assert torch.allclose(last[:, 1:], states[-1], atol=1e-6) and torch.allclose(last[:, 0], output.pooler_output, atol=1e-6)
PY
