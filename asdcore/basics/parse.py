"""Reads JSON and TOML that somebody else may have written.

Every fault of a text is a ValueError. So is a text that nests deeper than anything asdcore reads: parsers, and the code
that handles their values later, call themselves once a level and would end in a RecursionError.
"""

from __future__ import annotations

import json
import sys
import tomllib
from typing import Any

DEEPEST = 64
"""Levels of tables and lists inside one another."""

_TOO_DEEP = f"its tables and lists are nested more than {DEEPEST} deep"


def is_number(value: object) -> bool:
    """Whether a value is a finite number that float64 can hold; True and False are not numbers.

    Examples
    --------
    >>> [is_number(value) for value in (3, -0.5, float("nan"), 10**400, True, "3")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises ValueError if it is not JSON, or nested too deeply."""
    try:
        return shallow(json.loads(text))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text; raises ValueError if it is not TOML, or nested too deeply."""
    try:
        values: dict[str, Any] = shallow(tomllib.loads(text))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return values


def shallow(value: Any) -> Any:
    """Return a value that a parser made; raises ValueError if it is nested too deeply."""
    # Level by level: this calls itself no more than it lets others do.
    level = [value]
    for _ in range(DEEPEST + 1):
        # Once each: what YAML names by an alias is one object in many places, perhaps in itself.
        level = [item for item in {id(item): item for item in level}.values() if isinstance(item, dict | list)]
        if not level:
            return value
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    raise ValueError(_TOO_DEEP)
