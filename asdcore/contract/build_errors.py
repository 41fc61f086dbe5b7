"""Tells why a component was not built: it refuses its parameters, or its code broke down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from asdcore.contract.source_code.files import source_files
from asdcore.errors import PluginError

REFUSALS = (TypeError, ValueError, OverflowError)
"""The errors by which a plugin refuses a parameter."""


def not_built(
    what: str, factory: Callable[..., Any], source: Path | None, parameters: Mapping[str, Any], error: Exception
) -> PluginError:
    """Return the PluginError for an error that ``factory(**parameters)`` raised.

    If the plugin's own code raises a ValueError or the like, it refuses its parameters. The same error out of a
    library, or without any parameters, is a breakdown, and the message names the place.
    """
    place = _raised_in(error.__traceback__)
    if parameters and isinstance(error, REFUSALS) and (place is None or place[0] in _own(factory, source)):
        return PluginError(f"{what} refuses its parameters {dict(parameters)}: {error}")
    given = f" with the parameters {dict(parameters)}" if parameters else ""
    where = f" ({_shown(*place)})" if place else ""
    return PluginError(
        f"Building {what} failed{given}: {type(error).__name__}: {error}{where}. --debug shows the whole trace."
    )


def _raised_in(trace: TracebackType | None) -> tuple[Path, int] | None:
    """Return the file and line that raised, beyond the call in our own code: None if the call itself failed."""
    place = None
    while trace is not None and (trace := trace.tb_next):
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<"):  # code that a library wrote, such as the __init__ of a dataclass
            place = Path(name), trace.tb_lineno
    return place


def _own(factory: Callable[..., Any], source: Path | None) -> set[Path]:
    """Return the files of the plugin and of asdcore: their own errors are refusals rather than breakdowns."""
    module = sys.modules.get(getattr(factory, "__module__", None) or "")
    files = {Path(file)} if (file := getattr(module, "__file__", None)) else set()
    ours = set(Path(__file__).parents[1].rglob("*.py"))
    return files | ours | (set(source_files(source)[1]) if source else set())


def _shown(file: Path, line: int) -> str:
    """Name a place by the end of its path, which begins with the library if it lies in one."""
    parts = file.parts
    at = next((i + 1 for i, part in enumerate(parts) if part in ("site-packages", "dist-packages")), -1)
    return f"in {Path(*parts[at:])}, line {line}"
