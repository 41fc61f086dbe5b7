"""Whose fault it is that a component was not built: of its parameters, or of code that broke down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from asdcore.contract.sources import source_files
from asdcore.errors import PluginError

REFUSALS = (TypeError, ValueError, OverflowError)
"""What a plugin raises of a parameter that it does not take."""


def not_built(
    what: str, factory: Callable[..., Any], source: Path | None, parameters: Mapping[str, Any], error: Exception
) -> PluginError:
    """Return what to say of an error that ``factory(**parameters)`` raised.

    A plugin refuses its parameters where its own code raises a ValueError or the like of them. The same error out of a
    library, or without any parameters, is a breakdown, and names the place.
    """
    place = _raised_in(error.__traceback__)
    if parameters and isinstance(error, REFUSALS) and (place is None or place[0] in _own(factory, source)):
        return PluginError(f"{what} refuses its parameters {dict(parameters)}: {error}")
    given = f" with the parameters {dict(parameters)}" if parameters else ""
    where = f" ({_shown(*place)})" if place else ""
    return PluginError(
        f"{what} cannot be built{given}: {type(error).__name__}: {error}{where}. --debug shows the whole trace."
    )


def _raised_in(trace: TracebackType | None) -> tuple[Path, int] | None:
    """Return the file and line that raised, beyond the call in our own code: None where the call itself failed."""
    place = None
    while trace is not None and (trace := trace.tb_next):
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<"):  # code that a library wrote, such as the __init__ of a dataclass
            place = Path(name), trace.tb_lineno
    return place


def _own(factory: Callable[..., Any], source: Path | None) -> set[Path]:
    """Return the files of a plugin's own code, and of asdcore's, which says of itself what it refuses."""
    module = sys.modules.get(getattr(factory, "__module__", None) or "")
    files = {Path(file)} if (file := getattr(module, "__file__", None)) else set()
    ours = set(Path(__file__).parents[1].rglob("*.py"))
    return files | ours | (set(source_files(source)[1]) if source else set())


def _shown(file: Path, line: int) -> str:
    """Name a place by the end of its path, which begins with the library where it lies in one."""
    parts = file.parts
    at = next((i + 1 for i, part in enumerate(parts) if part in ("site-packages", "dist-packages")), -1)
    return f"in {Path(*parts[at:])}, line {line}"
