#!/usr/bin/env bash
# How loud Wav2Vec2 hears a clip depends on its batch: beside a clip of 10 s, one of 1 s is 3.2 times louder.
#
# Versions: transformers 5.23.0, numpy 2.4.6 (Python 3.11).
# Expected: do_normalize, "zero-mean unit-variance normalize the input", is on by default: every clip comes out with a
#           mean of 0 and a deviation of 1. For models without a mask "input_values should simply be padded with 0": so
#           the padding is 0, and the clip the same in any batch.
# Seen:     Without an attention mask, which is the default and what the documentation wants for wav2vec2-base, the clip
#           is padded first, and mean and variance are those of clip and padding together. A clip of 1 s padded to 10 s
#           gets a deviation of 3.2. If it has an offset, that is not removed, and the padding becomes a step to the other
#           side. So the features of a clip change with the batch size, the order of the clips, and the length of a
#           stranger; clips of one length, and batches of one, show nothing. return_attention_mask=True is right.
# Output (a clip of 1 s, noise of 0.1 around 0.2):
#                               deviation of the clip   its mean   padding
#   alone                                        1.00       0.00         -
#   beside a clip of 2 s                         0.81       0.82     -0.82
#   beside a clip of 10 s                        1.47       2.66     -0.30
#   the same, with a mask                        1.00       0.00      0.00
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check transformers==5.23.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import numpy as np
from transformers import Wav2Vec2FeatureExtractor

RATE = 16000
rng = np.random.default_rng(0)
quiet, offset = (x.astype(np.float32) for x in (0.1 * rng.standard_normal(RATE), 0.2 + 0.1 * rng.standard_normal(RATE)))


def normalized(clip, beside, mask=None):
    """Return the clip as the extractor gives it in a batch with noise of other lengths, in seconds; and its padding."""
    others = [0.1 * rng.standard_normal(seconds * RATE).astype(np.float32) for seconds in beside]
    extractor = Wav2Vec2FeatureExtractor() if mask is None else Wav2Vec2FeatureExtractor(return_attention_mask=mask)
    batch = extractor([clip, *others], sampling_rate=RATE, padding=True, return_tensors="np")
    return batch["input_values"][0][:RATE], batch["input_values"][0][RATE:]


print(f"{'':28}deviation of the clip   its mean   padding")
seen = {}
for name, beside, mask in (
    ("alone", (), None),
    ("beside a clip of 2 s", (2,), None),
    ("beside a clip of 10 s", (10,), None),
    ("the same, with a mask", (10,), True),
):
    heard, padding = normalized(offset, beside, mask)
    seen[name] = float(heard.std()), float(heard.mean()), float(padding.mean()) if len(padding) else None
    shown = "-" if seen[name][2] is None else f"{seen[name][2]:.2f}"
    print(f"{name:28}{seen[name][0]:21.2f}{seen[name][1]:11.2f}{shown:>10}")
    exact = np.concatenate([offset, np.zeros(len(padding), np.float32)]).astype(np.float64)
    by_all = (exact[:RATE] - exact.mean()) / exact.std()
    by_clip = (offset - offset.mean()) / offset.std()
    assert np.allclose(heard, by_clip if mask or not beside else by_all, atol=1e-3)
assert abs(normalized(quiet, (10,))[0].std() - 10**0.5) < 0.01
assert seen["beside a clip of 10 s"][2] < -0.1 < seen["the same, with a mask"][2]
PY
