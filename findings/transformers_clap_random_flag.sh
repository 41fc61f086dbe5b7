#!/usr/bin/env bash
# A CLAP embedding of a short clip depends on numpy's random state, and on the other clips in its batch.
#
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: In eval() mode the embedding of a clip is a function of the clip. Clips of 1 s are far from the 10 s from
#           which on the extractor cuts at random, so nothing is drawn.
# Seen:     With truncation="fusion" (as in the fused checkpoints), a batch without a long clip gets one clip, drawn
#           by np.random.randint, marked as longer. The mark sends that clip through the fusion branch of the model,
#           so
#           another clip of the batch has a quite different embedding on each call. A clip alone is always marked.
# Output:
#   seed 0: marked [True, False, False, False]
#   seed 1: marked [False, True, False, False], clips whose embedding differs from that of seed 0: [0, 1]
#   seed 3: marked [False, False, True, False], clips whose embedding differs from that of seed 0: [0, 2]
#   clip 1 alone: marked [True]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import numpy as np
import torch
from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

torch.manual_seed(0)  # a tiny model with random weights: the path through it is that of the real one
model = ClapAudioModel(ClapAudioConfig(
    enable_fusion=True, patch_embeds_hidden_size=16, hidden_size=32, depths=[1, 1], num_attention_heads=[2, 2],
    num_hidden_layers=2)).eval()
extractor = ClapFeatureExtractor(truncation="fusion")
clips = [0.1 * np.random.default_rng(k).normal(size=48000) for k in range(4)]  # 1 s each


def embed(chosen, seed):
    np.random.seed(seed)
    features = extractor(chosen, sampling_rate=48000, return_tensors="pt")
    with torch.no_grad():
        return features["is_longer"].ravel().tolist(), model(**features).pooler_output


marked, first = embed(clips, 0)
print("seed 0: marked", marked)
assert sum(marked) == 1
for seed in (1, 3):
    again, other = embed(clips, seed)
    differ = [k for k in range(4) if (other[k] - first[k]).abs().max() > 0.1]
    print(f"seed {seed}: marked {again}, clips whose embedding differs from that of seed 0: {differ}")
    assert sum(again) == 1
    assert again != marked
    assert differ == sorted([marked.index(True), again.index(True)])
alone, _ = embed(clips[1], 0)
print("clip 1 alone: marked", alone)
assert alone == [True]
PY
