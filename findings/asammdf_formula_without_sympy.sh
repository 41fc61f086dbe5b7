#!/usr/bin/env bash
# What asammdf returns for a formula depends on whether SymPy is installed: without it, raw integers under the physical unit.
#
# Versions: asammdf 8.8.28, numexpr 2.14.2, numpy 2.4.6, pandas 3.1.1, with and without SymPy 1.14.0 (Python 3.11).
# Expected: MDF(file).get(channel) gives physical values, or raises. SymPy is optional: it comes with the extra
#           symbolic-math.
# Seen:     asammdf evaluates a formula by numexpr, which has no pow, no ln and no atan by these names. It catches every
#           error and tries SymPy. If that is not there, it returns the raw values, with the unit of the physical ones:
#           counts pass for degrees. No error, no warning, so a file reads differently on the desk, where torch has
#           brought SymPy along, and at the machine. With SymPy, pow keeps the integers' own type: 200 squared of int16 is
#           -25536. sqrt(X), log(X) and X**2 are the same in both, so most files show nothing.
# Output:
#                     of [1, 2, 200] as int16: with SymPy           without
#   pow(X,2)          [1.0, 4.0, -25536.0]                          [1.0, 2.0, 200.0]
#   ln(X)             [0.0, 0.69, 5.3]                              [1.0, 2.0, 200.0]
#   0.1*atan(X)       [0.08, 0.11, 0.16]                            [1.0, 2.0, 200.0]
#   0.1*sqrt(X)       [0.1, 0.14, 1.41]                             [0.1, 0.14, 1.41]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check asammdf==8.8.28 numexpr==2.14.2 numpy==2.4.6 pandas==3.1.1 \
    || exit 2
cat > read.py <<'PY'
import json

import numpy as np
from asammdf import MDF, Signal

values = {}
for formula in ("pow(X,2)", "ln(X)", "0.1*atan(X)", "0.1*sqrt(X)"):
    raw = np.array([1, 2, 200], dtype=np.int16)
    with MDF() as file:
        file.append([Signal(raw, np.arange(3) / 10, name="T", unit="degC", conversion={"formula": formula})])
        file.save("a.mf4", overwrite=True)
    with MDF("a.mf4") as file:
        signal = file.get("T")
        assert signal.unit == "degC"
        values[formula] = np.round(signal.samples.astype(float), 2).tolist()
print(json.dumps(values))
PY
venv/bin/python read.py > without.json
venv/bin/pip install -q --no-compile --disable-pip-version-check sympy==1.14.0 || exit 2
venv/bin/python read.py > with.json
venv/bin/python - <<'PY'
import json

sympy, bare = (json.load(open(f"{name}.json")) for name in ("with", "without"))
print(f"{'':18}{'of [1, 2, 200] as int16: with SymPy':46}without")
for formula in sympy:
    print(f"{formula:18}{sympy[formula]!s:46}{bare[formula]}")
RAW = [1.0, 2.0, 200.0]
assert sympy == {
    "pow(X,2)": [1.0, 4.0, -25536.0],
    "ln(X)": [0.0, 0.69, 5.3],
    "0.1*atan(X)": [0.08, 0.11, 0.16],
    "0.1*sqrt(X)": [0.1, 0.14, 1.41],
}
assert bare == dict.fromkeys(list(sympy)[:3], RAW) | {"0.1*sqrt(X)": [0.1, 0.14, 1.41]}
PY
