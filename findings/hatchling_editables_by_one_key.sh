#!/usr/bin/env bash
# Whether `pip install --no-build-isolation -e .` needs the package editables depends on one key of hatchling,
# although hatchling asks for it in both cases.
#
# Versions: hatchling 1.33.0, pip as it comes with Python 3.11.
# Expected: What get_requires_for_build_editable names is needed, or is not named: two projects with the same answer
#           install alike in an environment without editables.
# Seen:     Both are told that editables is required. Without isolation nobody installs it. The project with
#           dev-mode-dirs installs and imports; the other one fails in the preparation of its metadata. So removing
#           dev-mode-dirs breaks the editable installs of everyone who has only hatchling.
# Output:
#   plain: asks for ['editables~=0.3'], editable install fails
#   with dev-mode-dirs: asks for ['editables~=0.3'], editable install works
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check hatchling==1.33.0 || exit 2
project() { # NAME: a package NAME with hatchling in the folder NAME
    mkdir -p "$1/$1"
    touch "$1/$1/__init__.py"
    printf '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n' > "$1/pyproject.toml"
    printf '[project]\nname = "%s"\nversion = "1"\n' "$1" >> "$1/pyproject.toml"
}
result() { # NAME
    (cd "$1" && ../venv/bin/python -c "import hatchling.build as b; print(b.get_requires_for_build_editable(), end='')")
    if venv/bin/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e "./$1" > log 2>&1 &&
        venv/bin/python -I -c "import $1"; then
        echo ", editable install works"
    else
        echo ", editable install fails"
    fi
}
project plainly
project withkey
printf '[tool.hatch.build]\ndev-mode-dirs = ["."]\n' >> withkey/pyproject.toml
plainly=$(result plainly)
withkey=$(result withkey)
echo "plain: asks for $plainly"
echo "with dev-mode-dirs: asks for $withkey"
[ "$plainly" = "['editables~=0.3'], editable install fails" ] || exit 1
[ "$withkey" = "['editables~=0.3'], editable install works" ] || exit 1
