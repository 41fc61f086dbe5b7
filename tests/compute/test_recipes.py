"""What is stored is named by all code that made it, so that other code never finds it under that name."""

from __future__ import annotations

import ast
from pathlib import Path

import asdcore
from asdcore.compute.recipes import FEATURE_MODULES

PACKAGE = Path(asdcore.__file__).parent
MAKE_NO_VALUE = {
    *(f"compute/{name}.py" for name in ("code_in_use", "recipes", "threads")),
    *(f"compute/encoding/{name}.py" for name in ("known_recordings", "stateless")),
    *(f"data/recordings/{name}.py" for name in ("loudness", "noticed_sound", "sound_digest", "still_channels")),
    "data/sample_rates.py",
}
"""What embedding imports, too, and no feature is made of: checks, names, what is noticed on the way, and the number of
threads."""


def imported(module):
    """The modules of the rooms data and compute that a module imports."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("asdcore.data", "asdcore.compute")):
            path = node.module.removeprefix("asdcore.").replace(".", "/")
            is_room = (PACKAGE / path).is_dir()
            yield from (f"{path}/{alias.name}.py" for alias in node.names) if is_room else (f"{path}.py",)


def test_features_are_named_by_every_module_that_makes_them():
    assert {name for module in FEATURE_MODULES for name in imported(module)} - MAKE_NO_VALUE <= set(FEATURE_MODULES)
