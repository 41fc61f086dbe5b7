"""All files of a folder, at any depth, through links, without what tools leave there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TOOLS = frozenset(
    (
        "__pycache__",
        ".git",
        ".hg",
        ".hypothesis",
        ".idea",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        ".vscode",
    )
)
"""Folders that tools write to: what a program computes does not come from there."""


def tree_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (POSIX path below the folder, file) in sorted order. A linked folder is entered once on each way to it."""
    yield from sorted(_below(folder, "", (os.path.realpath(folder),)))


def tree_folders(folder: Path) -> Iterator[Path]:
    """Yield the real path of a folder and of every folder below it, through links."""
    waiting, seen = [os.path.realpath(folder)], set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            yield Path(path)
            waiting += [os.path.realpath(entry) for entry in _entries(Path(path)) if entry.is_dir()]


def _below(folder: Path, prefix: str, way: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder):
        path = folder / entry.name
        if entry.is_dir():
            real = os.path.realpath(path)
            if real not in way:  # else a link leads back to where it came from
                yield from _below(path, f"{prefix}{entry.name}/", (*way, real))
        elif entry.is_file():
            yield f"{prefix}{entry.name}", path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name not in TOOLS]
