#!/usr/bin/env bash
# One missing sample takes the rest of a recording away from scipy.ndimage.uniform_filter; a convolution loses five samples.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: A moving mean over 5 samples depends on 5 samples: NaN, infinity or one absurd value, as a sensor that drops out
#           gives it, spoils the 5 places around it, as it does in correlate1d with five weights of 1/5, which is the same
#           filter.
# Seen:     The mean is carried along: each step adds the sample that comes in and subtracts the one that goes out, and NaN
#           never goes out. All places behind it are NaN, in a spectrogram the whole rectangle to the lower right. After
#           infinity there is NaN too, and after 1e20 the means are those of the difference to a value that has been
#           rounded away: finite, and off by all that they were. Reversed in time, another part of the recording is lost.
#           No warning, and the documentation does not say so.
# Output (1000 samples of 0.5 and noise, number 300 replaced; places that differ from the mean without it by more than 1e-6):
#                    uniform_filter1d   correlate1d
#   nan                           702             5
#   inf                           702             5
#   1e+20                         702             5
#   a spectrogram with one NaN: 33840 of 38400 places are NaN
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python -W error - <<'PY'
import numpy as np
from scipy.ndimage import correlate1d, uniform_filter, uniform_filter1d

SIZE, PLACE = 5, 300
weights = np.full(SIZE, 1 / SIZE)
sound = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(1000)
usual = correlate1d(sound, weights)
assert np.allclose(uniform_filter1d(sound, SIZE), usual, rtol=1e-9)
print(f"{'':16}{'uniform_filter1d':>17}{'correlate1d':>14}")
for value in (np.nan, np.inf, 1e20):
    sound[PLACE] = value
    spoilt = []
    for means in (uniform_filter1d(sound, SIZE), correlate1d(sound, weights)):
        spoilt.append(int((~(np.abs(means - usual) <= 1e-6)).sum()))
    print(f"{value:<16}{spoilt[0]:17}{spoilt[1]:14}")
    assert spoilt == [1000 - PLACE + SIZE // 2, SIZE]
after = uniform_filter1d(sound, SIZE)[PLACE + SIZE :]
assert np.isfinite(after).all() and abs(after.mean()) < 0.1, "0.5 is gone after 1e20"
spectrogram = np.random.default_rng(0).standard_normal((128, 300))
spectrogram[10, 20] = np.nan
lost = int(np.isnan(uniform_filter(spectrogram, SIZE)).sum())
print(f"a spectrogram with one NaN: {lost} of {spectrogram.size} places are NaN")
assert lost == (128 - 8) * (300 - 18)
PY
