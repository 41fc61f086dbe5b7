"""Parts of a trained system by name: found in a table, imported when built, their parameters checked."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any


def built(kind: str, table: Mapping[str, str], folder: str, name: str, parameters: Mapping[str, Any]) -> Any:
    """Build what a name stands for.

    Parameters
    ----------
    kind : str
        What messages call it: "network", "loss" or "augmentation".
    table : mapping of name to "file:class"
    folder : str
        Where these files lie, below this package.
    name : str
    parameters : mapping
        Given to the class by keyword.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown, or one is missing.
    """
    if name not in table:
        raise ValueError(f"there is no {kind} {name!r}; allowed are {', '.join(sorted(table))}")
    file, _, symbol = table[name].partition(":")
    build = getattr(importlib.import_module(f"asdcore_plugins.trained.{folder}.{file}"), symbol)
    signature = inspect.signature(build)
    unknown = sorted(parameters.keys() - signature.parameters.keys())
    if unknown:
        allowed = ", ".join(signature.parameters) or "none"
        raise ValueError(f"the {kind} {name!r} has no parameter {unknown[0]!r}; allowed are {allowed}")
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise ValueError(f"the {kind} {name!r}: {error}") from error
    return build(**parameters)
