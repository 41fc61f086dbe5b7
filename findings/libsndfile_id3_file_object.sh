#!/usr/bin/env bash
# A WAV behind an ID3v2 tag reads whole from its path, and short by the length of the tag from an open file.
#
# Versions: soundfile 0.14.0 with its libsndfile 1.2.2, numpy 2.4.6 (Python 3.11).
# Expected: soundfile.read(path) and soundfile.read(open(path, "rb")) return the same samples, or the second raises.
# Seen:     libsndfile skips the tag in both cases. From a file object or a BytesIO it then still ends the audio as
#           many bytes early as the tag is long (100 bytes here, 50 samples), without an error; soundfile.info of the
#           object gives the short length too. WAV and AIFF do so; a FLAC behind the same tag is whole in each case.
# Output:
#   WAV  from the path 16000, from the open file 15950, from BytesIO 15950
#   AIFF from the path 16000, from the open file 15950, from BytesIO 15950
#   FLAC from the path 16000, from the open file 16000, from BytesIO 16000
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import io
from pathlib import Path

import numpy as np
import soundfile

x = np.arange(-8000, 8000, dtype=np.int16)
tag = b"ID3\x04\0\0" + bytes([0, 0, 0, 90]) + bytes(90)  # an ID3v2.4 tag of 100 bytes: the header and padding
assert len(tag) == 100
for kind in ("WAV", "AIFF", "FLAC"):
    audio = io.BytesIO()
    soundfile.write(audio, x, 16000, format=kind, subtype="PCM_16")
    Path("tagged").write_bytes(tag + audio.getvalue())
    with Path("tagged").open("rb") as handle:
        sources = ("tagged", handle, io.BytesIO(tag + audio.getvalue()))
        got = [soundfile.read(source, dtype="int16")[0] for source in sources]
    lengths = [len(y) for y in got]
    print("{:4} from the path {}, from the open file {}, from BytesIO {}".format(kind, *lengths))
    assert all((y == x[:len(y)]).all() for y in got)
    assert lengths == ([16000, 16000, 16000] if kind == "FLAC" else [16000, 15950, 15950])
PY
