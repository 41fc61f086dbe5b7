"""What goes into a recipe besides inputs: which code computed it, and with which libraries."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asdcore.contract.plugins import Component, Plugins
from asdcore.portfolio import Branch
from asdcore.store.digest import bytes_digest, file_digest

NUMERIC_LIBRARIES = ("numpy", "scikit-learn", "scipy", "soundfile", "soxr", "torch", "transformers")
"""Libraries whose version can change a number."""


@functools.cache
def library_versions() -> dict[str, str]:
    """Return {library: installed version}, without importing any."""
    return {name: _version(name) for name in NUMERIC_LIBRARIES}


@functools.cache
def framework_digest(*modules: str) -> str:
    """SHA-256 over the sources of some modules of asdcore, named by their path below the package."""
    package = Path(__file__).parents[1]
    return bytes_digest("".join(file_digest(package / module) for module in modules).encode())


def component_recipe(component: Component, parameters: dict[str, Any]) -> dict[str, Any]:
    """Say which component computes something: its name, version, source and parameters.

    A parameter that is the path of a file (a checkpoint) counts by the file's content, not by where it lies.
    """
    return {
        "name": component.name,
        "plugin": component.plugin,
        "version": component.version,
        "source": component.source_digest,
        "parameters": {key: _by_content(value) for key, value in sorted(parameters.items())},
    }


def feature_recipe(branch: Branch, plugins: Plugins) -> dict[str, Any]:
    """Return what determines the features of a branch, the audio apart."""
    view = plugins.component("view", branch.view.name)
    encoder = plugins.component("encoder", branch.encoder.name)
    return {
        "kind": "features",
        "view": component_recipe(view, branch.view.parameters),
        "encoder": component_recipe(encoder, branch.encoder.parameters),
        "layer": branch.encoder.layer,
        "pooling": branch.encoder.pooling,
        "framework": framework_digest("data/audio.py", "data/pooling.py", "stages/embed.py"),
        "libraries": library_versions(),
    }


def _by_content(value: Any) -> Any:
    if isinstance(value, str | Path) and Path(value).is_file():
        return {"file_sha256": file_digest(Path(value))}
    return str(value) if isinstance(value, Path) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
