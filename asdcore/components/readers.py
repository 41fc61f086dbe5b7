"""Chooses the dataset reader of a folder: the one that was named, or the one that knows the names in it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import polars as pl

from asdcore.basics.paths import is_recording
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import Plugins
from asdcore.data.clip_index.windows import WindowedReader
from asdcore.errors import blamed

CURRENT_YEAR = 2026
"""The rules of 2022-2026 apply if a dataset reader names no year."""


class Windows(Protocol):
    """How a portfolio cuts recordings into windows."""

    @property
    def seconds(self) -> float:
        """The length of a window."""

    @property
    def hop(self) -> float:
        """From the begin of one window to that of the next."""


class ListsClips(Protocol):
    """What lists the clips of a run: a dataset reader, or one that cuts into windows what a reader lists."""

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index."""


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


def lister_of(task: str | None, root: Path, plugins: Plugins, windows: Windows | None) -> tuple[str, ListsClips]:
    """Return the name of a dataset reader, and what lists the clips of a run: the reader, or one of its windows."""
    name, reader = reader_of(task, root, plugins)
    return name, in_windows(reader, windows)


def build_lister(task: str, plugins: Plugins, windows: Windows | None) -> ListsClips:
    """Return what lists the clips of a run by the reader of this name."""
    return in_windows(plugins.build("dataset", task, {}), windows)


def in_windows(reader: Dataset, windows: Windows | None) -> ListsClips:
    """Return a reader, or what lists the windows of its clips if a portfolio has windows."""
    return reader if windows is None else WindowedReader(reader, windows.seconds, windows.hop)


def recordings_by(reader: Dataset, root: Path) -> dict[str, str]:
    """Return {test clip: the recording that it was cut from} of those of which a reader says it."""
    return dict(reader.recordings(root)) if hasattr(reader, "recordings") else {}


def left_out_by(lister: ListsClips, root: Path) -> list[str]:
    """Return what to know of recordings below ``root`` that are no clips.

    That is what the reader sets aside; and of windows that were last listed, ends that gave none, and the like.
    """
    if isinstance(lister, WindowedReader):
        return [*set_aside_by(lister.reader, root), *lister.notes]
    return set_aside_by(lister, root)


def set_aside_by(reader: object, root: Path) -> list[str]:
    """Return a sentence on the recordings that a dataset reader sets aside, and one on those of unread formats."""
    recordings = reader.supplemental(root) if hasattr(reader, "supplemental") else []
    aside = {True: "nothing learns from {them}, and nothing scores {them}", False: "convert {them} to WAV or FLAC"}
    notes = []
    for read, why in aside.items():
        if of_kind := [recording for recording in recordings if is_recording(recording) == read]:
            what = "set aside" if read else "not read"
            is_single = len(of_kind) == 1
            which = (
                f"1 recording {what} ({of_kind[0]})"
                if is_single
                else f"{len(of_kind)} recordings {what} (such as {of_kind[0]})"
            )
            notes.append(f"{which}: {why.format(them='it' if is_single else 'them')}.")
    return notes


def year_of(reader: ListsClips) -> int:
    """Return the year whose rules the evaluation of a reader's recordings follows; 0 if no challenge's do."""
    names = reader.reader if isinstance(reader, WindowedReader) else reader
    year = getattr(names, "year", CURRENT_YEAR)
    return 0 if year is None else int(year)
