#!/usr/bin/env bash
# A binary data set that pyuff writes with mode="overwrite" is not in the file, which has seven bytes; and NaN becomes 0.
#
# Versions: pyuff 2.5.8, numpy 2.4.6 (Python 3.11).
# Expected: write_sets(data, mode="overwrite") writes what mode="add" writes into a new file. A gap that is marked as NaN
#           is NaN again when it is read, since UFF58 in its binary form holds IEEE numbers, or it cannot be written.
# Seen:     For the binary form, "overwrite" opens the file anew for header, samples and end, so that only the end
#           remains: "    -1". Nothing is raised. As text, "overwrite" works. In either mode and form NaN becomes 0 and
#           infinity 1.8e308, in the file and in the caller's own dictionary: a gap in a vibration is a sample of rest.
# Output:
#   text, add:          21 kB, read back: 1000 samples
#   text, overwrite:    21 kB, read back: 1000 samples
#   binary, add:         8 kB, read back: 1000 samples
#   binary, overwrite: 7 bytes, b'    -1\n'
#   [1.0, nan, inf] is written as [1.0, 0.0, 1.7976931348623157e+308], and so it is now in the caller's dictionary
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check pyuff==2.5.8 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
from pathlib import Path

import numpy as np
import pyuff


def data_set(samples, binary):
    """A response in time at 25.6 kHz, evenly sampled."""
    time = np.arange(len(samples)) / 25600
    place = {"rsp_node": 1, "rsp_dir": 1, "rsp_ent_name": "bearing", "ref_node": 1, "ref_dir": 1, "ref_ent_name": "none"}
    axis = {"abscissa_spacing": 1, "abscissa_spec_data_type": 17, "orddenom_spec_data_type": 0}
    return {"type": 58, "func_type": 1, "binary": binary, "data": samples, "x": time, **place, **axis}


def written(samples, binary, mode):
    file = Path(f"{binary}-{mode}.uff")
    file.unlink(missing_ok=True)
    given = data_set(samples, binary)
    pyuff.UFF(str(file)).write_sets(given, mode)
    return file, given


signal = np.sin(np.arange(1000))
for binary in (0, 1):
    for mode in ("add", "overwrite"):
        file, _ = written(signal, binary, mode)
        what = f"{'binary' if binary else 'text'}, {mode}:"
        if (binary, mode) == (1, "overwrite"):
            print(f"{what:19}{file.stat().st_size} bytes, {file.read_bytes()}")
            assert file.read_bytes() == b"    -1\n"
        else:
            back = pyuff.UFF(str(file)).read_sets(0)["data"]
            print(f"{what:19}{file.stat().st_size // 1000:3} kB, read back: {len(back)} samples")
            assert np.allclose(back, signal, atol=1e-9)
for binary in (0, 1):
    file, given = written(np.array([1.0, np.nan, np.inf]), binary, "add")
    back = pyuff.UFF(str(file)).read_sets(0)["data"]
    assert np.allclose(back, [1, 0, np.finfo(float).max]) and given["data"][1] == 0
print(f"[1.0, nan, inf] is written as {back.tolist()}, and so it is now in the caller's dictionary")
PY
