#!/usr/bin/env bash
# scipy.signal.wiener of a 16-bit recording is noise a hundred thousand times louder than it; as floats it is denoised.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: scipy.io.wavfile.read gives int16. The filter, which returns float64 for it, weighs each sample between itself
#           and its local mean, so the result is no louder than the recording, and the same for the same samples as
#           floats.
# Seen:     The local variance is taken from im**2 in the type of the samples, and from 182 on a square does not fit into
#           16 bits. It wraps around, the variance is too small or negative, and the noise divided by it has no bound. No
#           warning. Sound below 182, 45 dB under full scale, is right, and so is a test with a few small numbers. 24
#           bits, which wavfile.read gives as int32 with the low byte empty, are wrong too.
# Output (loudest sample of noise, and after wiener(..., 5)):
#                         recording   after, as integers    as float64
#   16 bits                3.22e+04             3.37e+09       2.65e+04
#   16 bits, 300 x less    1.07e+02             8.81e+01       8.81e+01
#   24 bits                2.11e+09             3.17e+16       1.74e+09
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from scipy.io import wavfile
from scipy.signal import wiener

noise = 8000 * np.random.default_rng(0).standard_normal(16000)
wavfile.write("a.wav", 16000, np.round(noise).astype(np.int16))
loud = wavfile.read("a.wav")[1]
RECORDINGS = {
    "16 bits": loud,
    "16 bits, 300 x less": np.round(noise / 300).astype(np.int16),
    "24 bits": np.round(256 * noise).astype(np.int32) << 8,
}
print(f"{'':22}recording   after, as integers    as float64")
for name, samples in RECORDINGS.items():
    exact = samples.astype(np.float64)
    as_integers, as_floats = wiener(samples, 5), wiener(exact, 5)
    largest = [float(np.abs(x).max()) for x in (exact, as_integers, as_floats)]
    print(f"{name:22}{largest[0]:9.2e}{largest[1]:21.2e}{largest[2]:15.2e}")
    assert as_integers.dtype == np.float64 and largest[2] <= largest[0]
    if name == "16 bits, 300 x less":
        assert np.allclose(as_integers, as_floats)
    else:
        assert largest[1] > 1000 * largest[0]
        assert np.median(np.abs(as_integers - as_floats)) > 0.1 * np.std(exact)
PY
