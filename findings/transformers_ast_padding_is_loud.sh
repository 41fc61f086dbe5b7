#!/usr/bin/env bash
# The padding that ASTFeatureExtractor appends to a short clip is louder than the clip, and far louder than silence.
#
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: A clip of 1 s in a window of 10 s is followed by silence: the features of the padding are those of zeros.
# Seen:     The padding is 0 in the log mel spectrogram, before the normalisation, and 0 is a high log energy there:
#           it becomes 0.47, while silence is -1.28 and quiet noise (0.01 of full scale) -0.13 on average. Nine tenths
#           of the input of a short clip are thus a plateau that no sound has, and not the silence that a clip
#           padded with zero samples shows to the model.
# Output:
#   quiet noise: mean -0.13; bins louder than the padding: 0.0 %
#   padding of the extractor: 0.47
#   the same clip, with zero samples up to 10.3 s: -1.28
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import numpy as np
from transformers import ASTFeatureExtractor

clip = 0.01 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
extractor = ASTFeatureExtractor()


def features(sound):
    return extractor(sound, sampling_rate=16000, return_tensors="np")["input_values"][0]


short, long = features(clip), features(np.concatenate([clip, np.zeros(9 * 16000 + 5000, np.float32)]))
sound, padding, zeros = short[:98], short[100:], long[100:-8]
louder = 100 * (sound > padding.min()).mean()
print(f"quiet noise: mean {sound.mean():.2f}; bins louder than the padding: {louder:.1f} %")
print(f"padding of the extractor: {padding.mean():.2f}")
print(f"the same clip, with zero samples up to 10.3 s: {zeros.mean():.2f}")
assert np.ptp(padding) < 1e-6
assert 0.46 < padding.mean() < 0.48
assert zeros.max() < -1.2
assert louder < 1
PY
