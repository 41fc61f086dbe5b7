"""Parts of a trained system by name: chosen from a table, and their parameters checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def built(
    kind: str,
    table: Mapping[str, Callable[..., Any]],
    name: str,
    parameters: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> Any:
    """Build what a name stands for.

    Parameters
    ----------
    kind : str
        What messages call it: "network", "loss" or "augmentation".
    table : mapping of name to class
    name : str
    parameters : mapping
        Given to the class by keyword.
    given : mapping, optional
        Given to it as well, as far as it has parameters of these names and ``parameters`` does not say otherwise.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown, or one is missing.
    """
    if name not in table:
        raise ValueError(f"there is no {kind} {name!r}; allowed are {', '.join(sorted(table))}")
    build = table[name]
    signature = inspect.signature(build)
    parameters = {key: value for key, value in (given or {}).items() if key in signature.parameters} | dict(parameters)
    unknown = sorted(parameters.keys() - signature.parameters.keys())
    if unknown:
        allowed = ", ".join(signature.parameters) or "none"
        raise ValueError(f"the {kind} {name!r} has no parameter {unknown[0]!r}; allowed are {allowed}")
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise ValueError(f"the {kind} {name!r}: {error}") from error
    return build(**parameters)
