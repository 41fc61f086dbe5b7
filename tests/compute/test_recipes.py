"""What is stored is named by all code that made it, so that other code never finds it under that name."""

from __future__ import annotations

import ast
from pathlib import Path

import asdcore
from asdcore.compute.recipes import FEATURE_MODULES

PACKAGE = Path(asdcore.__file__).parent
MAKE_NO_VALUE = {
    *(f"compute/{name}.py" for name in ("code_in_use", "known_recordings", "recipes", "stateless", "threads")),
    *(f"data/{name}.py" for name in ("sample_rates", "sound_digest", "still_channels")),
}
"""What embedding imports, too, and no feature is made of: checks, names, what is noticed on the way, and the number of
threads."""


def imported(module):
    """The modules of the rooms data and compute that a module imports."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("asdcore.data", "asdcore.compute")):
            room, *name = str(node.module).removeprefix("asdcore.").split(".")
            modules = ["/".join(name)] if name else [alias.name for alias in node.names]
            yield from (f"{room}/{module}.py" for module in modules)


def test_features_are_named_by_every_module_that_makes_them():
    assert {name for module in FEATURE_MODULES for name in imported(module)} - MAKE_NO_VALUE <= set(FEATURE_MODULES)
