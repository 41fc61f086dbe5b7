"""Reads JSON and TOML that somebody else may have written.

Whatever is wrong with a text is a ValueError. So is a text that nests deeper than anything asdcore reads: parsers and
all that handles their values later call themselves once a level, and would end in a RecursionError.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any

DEEPEST = 64
"""Levels of tables and lists inside one another."""

_TOO_DEEP = f"its tables and lists are nested more than {DEEPEST} deep"


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says; raises ValueError where it is not JSON, or nested too deeply."""
    try:
        return shallow(json.loads(text))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text says; raises ValueError where it is not TOML, or nested too deeply."""
    try:
        values: dict[str, Any] = shallow(tomllib.loads(text))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return values


def shallow(value: Any) -> Any:
    """Return a value that a parser made; raises ValueError where it is nested too deeply."""
    # Level by level: this calls itself no more than it lets others do.
    level = [value]
    for _ in range(DEEPEST + 1):
        # Once each: what YAML names by an alias is one object in many places, perhaps in itself.
        level = [one for one in {id(one): one for one in level}.values() if isinstance(one, dict | list)]
        if not level:
            return value
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    raise ValueError(_TOO_DEEP)
