#!/usr/bin/env bash
# An MP3 of a calibration tone or a sweep, read in blocks, is silence; read whole, it is the tone.
#
# Versions: soundfile 0.14.0 with its libsndfile 1.2.2, numpy 2.4.6 (Python 3.11).
# Expected: soundfile.blocks(file), put together, is soundfile.read(file), and read(file, start=n) its end, but for what
#           the decoder needs to settle: some thousandths of a second.
# Seen:     A frame of an MP3 may use bits that lie in frames before it. A clean tone needs few bits, so they lie far
#           back, and after a seek the decoder does not go back that far: it returns zeros until it has caught up, for 0.2
#           to 0.3 s at 16 kHz, then a click. soundfile seeks after every read, so blocks shorter than that stay silent to
#           the end of the file. The length is right and nothing is raised; the decoder writes lines to stderr. With noise
#           at -60 dB, and in noise, frames are full and nothing is wrong, so a test with such sound does not see it, and
#           a calibrator's tone or a loudspeaker's sweep is lost. Decoding whole and cutting then is right.
# Output (percents vary a little with the encoder's arithmetic):
#                         starts with a wrong begin   most of it   blocks of 0.1 s: wrong samples
#   tone of 1 kHz                              100 %       0.30 s                           98 %
#   sweep                                      100 %       0.32 s                           97 %
#   tone, noise at -60 dB                        0 %       0.00 s                            0 %
#   noise                                        0 %       0.00 s                            0 %
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { tail -5 log; exit 1; }
import numpy as np
import soundfile

RATE = 16000
t = np.arange(10 * RATE) / RATE
noise = np.random.default_rng(0).standard_normal(len(t))
tone = 0.5 * np.sin(2 * np.pi * 1000 * t)
SOUNDS = {
    "tone of 1 kHz": tone,
    "sweep": 0.5 * np.sin(2 * np.pi * (100 * t + 300 * t**2)),
    "tone, noise at -60 dB": tone + 0.0005 * noise,
    "noise": 0.1 * noise,
}
print("                      starts with a wrong begin   most of it   blocks of 0.1 s: wrong samples")
seen = {}
for name, sound in SOUNDS.items():
    soundfile.write("s.mp3", sound, RATE)
    whole = soundfile.read("s.mp3")[0]
    assert len(whole) == len(sound) and np.std(whole - sound) < 0.6 * np.std(sound)
    wrong = []
    for start in range(RATE // 2, len(whole) - RATE, 3301):
        part = soundfile.read("s.mp3", start=start, frames=RATE)[0]
        wrong.append((np.abs(part - whole[start : start + RATE]) > 0.01).sum() / RATE)
    blocks = np.concatenate(list(soundfile.blocks("s.mp3", RATE // 10)))
    of_blocks = (np.abs(blocks - whole) > 0.01).mean()
    starts, most = np.mean(np.array(wrong) > 0), max(wrong)
    print(f"{name:22}{100 * starts:24.0f} %{most:11.2f} s{100 * of_blocks:29.0f} %")
    seen[name] = starts, most, of_blocks, np.std(blocks) / np.std(whole)
for name in ("tone of 1 kHz", "sweep"):
    starts, most, of_blocks, level = seen[name]
    assert starts > 0.8 and most > 0.1 and of_blocks > 0.8 and level < 0.3, name
for name in ("tone, noise at -60 dB", "noise"):
    starts, most, of_blocks, level = seen[name]
    assert starts < 0.2 and most < 0.05 and of_blocks < 0.05 and level > 0.9, name
PY
