#!/usr/bin/env bash
# safetensors loses the conjugation of a complex tensor: x.conj() is saved as x.
#
# Versions: safetensors 0.8.0, torch 2.13.0 (CPU), numpy 2.4.6 (Python 3.11).
# Expected: save_file({"s": x.conj()}) stores the conjugated spectrum; torch.save does.
# Seen:     torch only marks a conjugated tensor and leaves its memory as it was. safetensors stores that memory and
#           not the mark, so the imaginary parts come back with the opposite sign: the inverse transform of such a
#           spectrum is the sound played backwards. No error, no warning. x.conj().resolve_conj() avoids it.
# Output:
#   tensor saved [(1-2j), (3+4j)]
#   safetensors  [(1+2j), (3-4j)]
#   torch.save   [(1-2j), (3+4j)]
#   resolve_conj [(1-2j), (3+4j)]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check safetensors==0.8.0 torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import torch
from safetensors.torch import load_file, save_file

x = torch.tensor([1 + 2j, 3 - 4j]).conj()
save_file({"s": x}, "a.safetensors")
save_file({"s": x.resolve_conj()}, "b.safetensors")
torch.save(x, "x.pt")
plain, resolved = load_file("a.safetensors")["s"], load_file("b.safetensors")["s"]
print("tensor saved", x.tolist())
print("safetensors ", plain.tolist())
print("torch.save  ", torch.load("x.pt").tolist())
print("resolve_conj", resolved.tolist())
assert torch.equal(torch.load("x.pt"), x)
assert torch.equal(resolved, x)
assert torch.equal(plain, x.conj())
PY
