"""Finds the file of a module and the installed distribution that it belongs to, without running anything of it."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
"""In the order in which Python looks for a module, after a package of its name."""


@dataclass(frozen=True)
class Installed:
    """A distribution as an installer recorded it: its name, its version, and its files below the folder of modules."""

    name: str
    version: str
    files: frozenset[str]


def module_file(name: str) -> Path | None:
    """Return the file of a module by its full name, without running anything of it; None if there is none."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.has_location else None
    for folder in spec.submodule_search_locations or ():
        if file := file_below(Path(folder), rest):
            return file
    return None


def file_below(folder: Path, parts: list[str]) -> Path | None:
    """Return the file that Python would import from a folder for the parts of a dotted name: a package first."""
    path = folder.joinpath(*parts)
    candidates = (path / "__init__.py", *(path.with_name(f"{path.name}{suffix}") for suffix in SUFFIXES))
    return next((file for file in candidates if file.is_file()), None)


def home_of(file: Path, name: str) -> Path:
    """Return the folder from which a module of this full name is imported."""
    depth = name.count(".") + file.name.startswith("__init__.")
    return file.parents[depth]


def owner(file: Path, home: Path) -> Installed | None:
    """Return the installed distribution that records a file, None if none does.

    ``home`` is the folder that its top-level module lies in. An editable install records none of its modules.
    """
    try:
        path = file.relative_to(home).as_posix()
        changed = home.stat().st_mtime_ns
    except (OSError, ValueError):
        return None
    claims = _claims(home, changed)
    for info in claims.get(path.partition("/")[0], ()):
        distribution = _installed(info, changed)
        if info.suffix == ".egg-info" or path in distribution.files:
            return distribution
    if home.name == "dist-packages":  # kept by the system's own installer, often without a record
        return Installed(path.partition("/")[0].partition(".")[0], "", frozenset())
    return None


@functools.lru_cache(maxsize=64)
def _claims(home: Path, changed: int) -> dict[str, list[Path]]:
    """Return {first part of a path: records of distributions with such paths} of a folder of modules."""
    claims: dict[str, list[Path]] = {}
    for info in sorted(home.glob("*.dist-info")):
        for first in {line.partition(",")[0].partition("/")[0] for line in _lines(info / "RECORD")}:
            claims.setdefault(first, []).append(info)
    # A project's own folder has one, too, when it was installed for development: there it records nothing.
    for info in sorted(home.glob("*.egg-info")) if home.name.endswith("-packages") else ():
        for top in _lines(info / "top_level.txt"):
            for first in (top, f"{top}.py", *(f"{top}{suffix}" for suffix in EXTENSION_SUFFIXES)):
                claims.setdefault(first, []).append(info)
    return claims


@functools.lru_cache(maxsize=256)
def _installed(info: Path, changed: int) -> Installed:
    name, _, version = info.stem.partition("-")
    return Installed(name.replace("_", "-").lower(), version, frozenset(_recorded(info)))


def _recorded(info: Path) -> Iterator[str]:
    for row in csv.reader(_lines(info / "RECORD")):
        yield from row[:1]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
