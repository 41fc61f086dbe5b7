#!/usr/bin/env bash
# One function of scipy.special loads the parser of a Fortran compiler's front end, and NumPy's test tools.
#
# Versions: scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: scipy.special needs numpy, and compiled code of its own. NumPy 2 loads numpy.f2py and numpy.testing lazily, so
#           that a program that wraps no Fortran and runs no tests does not pay for them.
# Seen:     scipy.special copies numpy into its array namespace, name by name, and both __all__ and dir() of numpy name its
#           lazy submodules. So all of them are resolved: numpy.f2py with crackfortran, numpy.testing with unittest.
#           With the two names taken out first, scipy.special computes the same, with 86 modules less.
# Output:
#   as it is:                      17 modules of numpy.f2py, 5 of numpy.testing, 238 new ones in all
#   with both names taken out:     0 modules of numpy.f2py, 0 of numpy.testing, 152 new ones in all
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 || exit 2
cat >loaded.py <<'PY'
import sys

import numpy

lazy = ("f2py", "testing")


def loaded():
    return [sum(name.startswith(f"numpy.{part}") for name in sys.modules) for part in lazy]


assert loaded() == [0, 0], loaded()
if sys.argv[1] == "without":
    shown = [name for name in dir(numpy) if name not in lazy]
    numpy.__all__ = [name for name in numpy.__all__ if name not in lazy]
    numpy.__dir__ = lambda: shown
before = set(sys.modules)
import scipy.special

new = len(set(sys.modules) - before)
print(*loaded(), new, scipy.special.ndtri(0.975).hex())
PY
venv/bin/python loaded.py as-it-is >/dev/null  # writes byte code, so that the next two are alike
read -r f2py testing modules value < <(venv/bin/python loaded.py as-it-is)
read -r f2py_less testing_less modules_less value_less < <(venv/bin/python loaded.py without)
echo "as it is:                      $f2py modules of numpy.f2py, $testing of numpy.testing, $modules new ones in all"
echo "with both names taken out:     $f2py_less modules of numpy.f2py, $testing_less of numpy.testing, $modules_less new ones in all"
[ "$f2py" -gt 5 ] && [ "$testing" -gt 1 ] && [ "$f2py_less" = 0 ] && [ "$testing_less" = 0 ] && [ "$value" = "$value_less" ]
