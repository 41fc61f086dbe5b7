"""Chooses the dataset reader of a folder: the one that was named, or the one that knows the names in it."""

from __future__ import annotations

from pathlib import Path

from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import Plugins
from asdcore.errors import blamed

CURRENT_YEAR = 2026
"""The rules of 2022-2026 apply if a dataset reader names no year."""


def reader_of(task: str | None, root: Path, plugins: Plugins) -> tuple[str, Dataset]:
    """Return the name of a dataset reader, and the reader.

    Parameters
    ----------
    task : str or None
        The reader that was named. Without a name, the reader that recognizes ``root`` most surely serves; of equals,
        the first by name.
    root : pathlib.Path
        The folder of the recordings. Only names are looked at.
    plugins : Plugins
        Where readers come from.

    Raises
    ------
    PluginError
        If there is no such reader.
    """
    if task is not None:
        return task, plugins.build("dataset", task, {})
    sureness: dict[str, tuple[int, Dataset]] = {}
    for name in sorted(plugins.components("dataset")):
        reader = plugins.build("dataset", name, {})
        if hasattr(reader, "recognizes"):
            with blamed("dataset", name):
                sureness[name] = int(reader.recognizes(root)), reader
    surest = max(sureness, key=lambda name: sureness[name][0])
    return surest, sureness[surest][1]


def year_of(reader: Dataset) -> int:
    """Return the year whose rules the evaluation of a reader's recordings follows; 0 if no challenge's do."""
    year = getattr(reader, "year", CURRENT_YEAR)
    return 0 if year is None else int(year)
