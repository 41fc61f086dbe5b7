#!/usr/bin/env bash
# decimate, filtfilt and sosfiltfilt of a loud 16-bit recording return a false beginning and end; as floats they are right.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: scipy.io.wavfile.read gives int16, and filtfilt, sosfiltfilt and decimate return float64 for it: the same as for
#           the same samples as floats. upfirdn, sosfilt and resample_poly do.
# Seen:     Before these three filter, they continue the recording beyond both ends, turned around its first and last
#           sample: 2 * x[0] - x[k]. That is taken in the type of the samples. In a loud recording it wraps around, and
#           the filter meets a step of 65536 just outside. What of it rings on inside is nearly as loud as the recording,
#           for the longer, the lower the filter's frequency. A recording that begins and ends quietly is right, the
#           middle always, and padtype="even" or "constant" too. No warning.
# Output (1 s of a tone at 440 Hz, 0.9 of full scale, begun at its peak; largest difference to the float64 samples' result):
#   function         first 100 ms   last 100 ms     between
#   decimate              2525.1        5453.7         0.0
#   filtfilt             12596.8       12985.2         0.0
#   sosfiltfilt          13073.9       13335.6         0.0
#   the same, even           0.0           0.0         0.0
#   sosfilt                  0.0           0.0         0.0
#   resample_poly            0.0           0.0         0.0
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python -W error - <<'PY'
import numpy as np
from scipy import signal
from scipy.io import wavfile

RATE = 16000
wavfile.write("a.wav", RATE, np.round(0.9 * 32767 * np.cos(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16))
recording = wavfile.read("a.wav")[1]
sections = signal.butter(4, 1000, fs=RATE, output="sos")
ratio = signal.butter(2, 1000, fs=RATE)
FUNCTIONS = {
    "decimate": (4, lambda samples: signal.decimate(samples, 4)),
    "filtfilt": (1, lambda samples: signal.filtfilt(*ratio, samples)),
    "sosfiltfilt": (1, lambda samples: signal.sosfiltfilt(sections, samples)),
    "the same, even": (1, lambda samples: signal.sosfiltfilt(sections, samples, padtype="even")),
    "sosfilt": (1, lambda samples: signal.sosfilt(sections, samples)),
    "resample_poly": (4, lambda samples: signal.resample_poly(samples, 1, 4)),
}
print("function         first 100 ms   last 100 ms     between")
seen = {}
for name, (step, function) in FUNCTIONS.items():
    difference = np.abs(function(recording) - function(recording.astype(np.float64)))
    edge = RATE // 10 // step
    seen[name] = [float(part.max()) for part in (difference[:edge], difference[-edge:], difference[edge:-edge])]
    print(f"{name:14}" + "".join(f"{value:14.1f}" for value in seen[name]))
for name in ("decimate", "filtfilt", "sosfiltfilt"):
    assert min(seen[name][:2]) > 1000 and seen[name][2] < 0.01
for name in ("the same, even", "sosfilt", "resample_poly"):
    assert max(seen[name]) < 0.01
PY
