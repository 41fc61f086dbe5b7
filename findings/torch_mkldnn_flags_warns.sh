#!/usr/bin/env bash
# Turning oneDNN off in torch makes torch warn about TF32 on Intel GPUs, in a build for the CPU alone.
#
# Versions: torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: `with torch.backends.mkldnn.flags(enabled=False)` asks for less and says nothing about TF32.
# Seen:     The context manager sets all its flags, also those that it was not asked to change, and the setter of
#           allow_tf32 warns on every build without Intel GPU support. Code that turns warnings into errors cannot
#           use the documented switch: the warning becomes an exception on entry.
# Output:
#   UserWarning: TF32 acceleration on top of oneDNN is available for Intel GPUs. The current
#     Torch version does not have Intel GPU Support.
#   with warnings as errors: UserWarning is raised
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 || exit 2
cat > switch.py <<'PY'
import torch

with torch.backends.mkldnn.flags(enabled=False):
    pass
PY
venv/bin/python switch.py 2> log || exit 1
sed -n 's/.*\(UserWarning: TF32.*Support\.\).*/\1/p' log
grep -q "UserWarning: TF32 acceleration on top of oneDNN is available for Intel GPUs" log || exit 1
if venv/bin/python -c "
import warnings, torch
warnings.simplefilter('error')
try:
    with torch.backends.mkldnn.flags(enabled=False): pass
except UserWarning:
    raise SystemExit(1)
"; then exit 1; else echo "with warnings as errors: UserWarning is raised"; fi
