# What every script of this folder begins with: an empty folder that is removed in the end, and a venv in it.
#
#     source "$(dirname "$0")/venv.sh" PACKAGE==VERSION ...
#
# The script exits with 2 if the packages do not install.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check "$@" || exit 2
