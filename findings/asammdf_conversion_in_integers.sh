#!/usr/bin/env bash
# A quadratic conversion of an MDF channel makes large values negative: asammdf squares the integers of the file in 32 bits.
#
# Versions: asammdf 8.8.28, numexpr 2.14.2, numpy 2.4.6, pandas 3.1.1 (Python 3.11).
# Expected: A conversion turns raw integers into physical numbers. Its coefficients are floating-point, and so is its
#           result: 1e-6 * X * X of a raw value 60000 is 3600, of 16 bits as of a float.
# Seen:     numexpr keeps X**2 in the type of X, which for 16 bits is int32, and asammdf hands it the raw integers. The
#           square passes 2**31, comes back negative, and only then meets a coefficient that makes it float64: a pressure
#           of -695 in the unit of the file, and signs that alternate as the value grows. uint16 is wrong from 46341 on,
#           and int32, in which 24-bit converters are stored, likewise. int16 is right, as its squares fit, and so is a
#           channel of floats. A formula that multiplies by the coefficient first ("1e-6*X*X") is right, the same formula
#           in another order not.
# Output:
#                                         60000 as uint16   as int32   as float32
#   rational, 1e-6 X^2                             -695.0     -695.0       3600.0
#   rational, X / (X^2 + 1)                     -8.63e-05  -8.63e-05     1.67e-05
#   formula X*X*1e-6                               -695.0     -695.0       3600.0
#   formula 1e-6*X*X                               3600.0     3600.0       3600.0
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check asammdf==8.8.28 numexpr==2.14.2 numpy==2.4.6 pandas==3.1.1 \
    || exit 2
venv/bin/python - <<'PY'
import numpy as np
from asammdf import MDF, Signal

TERMS = ("P1", "P2", "P3", "P4", "P5", "P6")
CASES = {
    "rational, 1e-6 X^2": (dict(zip(TERMS, (1e-6, 0.0, 0.0, 0.0, 0.0, 1.0))), lambda x: 1e-6 * x**2),
    "rational, X / (X^2 + 1)": (dict(zip(TERMS, (0.0, 1.0, 0.0, 1.0, 0.0, 1.0))), lambda x: x / (x**2 + 1)),
    "formula X*X*1e-6": ({"formula": "X*X*1e-6"}, lambda x: 1e-6 * x**2),
    "formula 1e-6*X*X": ({"formula": "1e-6*X*X"}, lambda x: 1e-6 * x**2),
}


def physical(raw, conversion):
    with MDF() as file:
        file.append([Signal(raw, np.arange(len(raw)) / 10, name="p", unit="bar", conversion=dict(conversion))])
        file.save("a.mf4", overwrite=True)
    with MDF("a.mf4") as file:
        return file.get("p").samples


print(f"{'':38}60000 as uint16   as int32   as float32")
for name, (conversion, right) in CASES.items():
    values = {}
    for kind in ("int16", "uint16", "int32", "float32"):
        raw = np.array([1, 200, 30000, 30000 if kind == "int16" else 60000], dtype=kind)
        values[kind] = physical(raw, conversion)
        found = np.isclose(values[kind], right(raw.astype(np.float64)), rtol=1e-5)
        is_right = kind in ("int16", "float32") or name == "formula 1e-6*X*X"
        assert found.tolist() == [True, True, True, is_right], (name, kind, values[kind])
        assert is_right or values[kind][3] < 0
    shown = [f"{v:.1f}" if abs(v) > 1 else f"{v:.2e}" for v in (float(values[k][3]) for k in ("uint16", "int32", "float32"))]
    print(f"{name:38}{shown[0]:>15}{shown[1]:>11}{shown[2]:>13}")
PY
