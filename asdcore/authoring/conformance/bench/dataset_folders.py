"""Drives dataset readers: reads the author's folder, and copies of it in which files come, go and change."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from asdcore.authoring.conformance.bench.outside_state import Builder, Make, statics_restored
from asdcore.basics.paths import SOUNDS
from asdcore.errors import DatasetError

Table = dict[str, dict[str, Any]]
"""{clip: its row}, in the order of the frame."""

FEW = 3
"""Clips kept of those in one folder whose names differ in digits only: a check copies what it reads, many times."""


class DatasetBench(Builder):
    """Reads the author's folder (if it is large, a copy with a few clips of every sort) and changed copies.

    Every reader is newly built.
    """

    def __init__(self, make: Make, root: Path | Callable[[], Path]) -> None:
        super().__init__(make)
        given = Path(root() if callable(root) else root)
        every, few = list(files(given)), list(_few(given))
        self.root = given if len(few) == len(every) else self._copied(given, few)

    def frame(self) -> Any:
        """Return the clip index of the folder as the reader gives it."""
        return self.build().clips(self.root)

    def clips(self, root: Path | None = None) -> Table:
        """Clip index of a folder, by clip. If a changed copy is refused, the clips that the error lists count."""
        dataset = self.build()
        with statics_restored(dataset):
            return read_clips(dataset, root or self.root)

    def truth(self, root: Path | None = None) -> Table:
        """Ground truth of a folder, by clip; empty if there is none."""
        frame = self.build().ground_truth(root or self.root)
        return {} if frame is None else {row["clip"]: row for row in frame.to_dicts()}

    def copy(self, *, last_first: bool = False) -> Path:
        """Copy the folder, its files created one by one in the order of their names, or from the last."""
        return self._copied(self.root, sorted(files(self.root), reverse=last_first))

    def _copied(self, root: Path, chosen: list[Path]) -> Path:
        where = self._leaving.enter_context(tempfile.TemporaryDirectory(prefix="asdcore-checks-"))
        copied = Path(where) / (root.name or "root")
        copied.mkdir()
        for file in chosen:
            target = copied / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return copied

    def two_clips(self, split: str = "test") -> list[str]:
        """Return two clips of one machine and section, of the test split if it has as many."""
        cells: dict[tuple[str, ...], list[str]] = {}
        for clip, row in self.clips().items():
            cells.setdefault((str(row["split"] != split), row["machine"], row["section"]), []).append(clip)
        for _, clips in sorted(cells.items()):
            if len(clips) >= 2:
                return sorted(clips)[:2]
        raise AssertionError(f"{self.root} has no two clips of one machine, section and split; name a larger folder.")


def read_clips(dataset: Any, root: Path) -> Table:
    """Read {clip: row} with one reader; a DatasetError that lists clips counts as having read them."""
    try:
        frame = dataset.clips(root)
    except DatasetError as error:
        if error.clips is None:
            raise
        frame = error.clips
    return {row["clip"]: row for row in frame.to_dicts()}


def files(root: Path) -> Iterator[Path]:
    """Walk the files under root, through links, in the order of their names."""
    for folder, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _few(root: Path) -> Iterator[Path]:
    """Walk the files under root with at most FEW sounds of one form of name: first, last and evenly between."""
    sounds: dict[tuple[Path, str], list[Path]] = {}
    for file in files(root):
        if file.suffix.lower() in SOUNDS:
            sounds.setdefault((file.parent, re.sub("[0-9]+", "0", file.name)), []).append(file)
        else:
            yield file
    for alike in sounds.values():
        step = max(1.0, (len(alike) - 1) / (FEW - 1))
        yield from (alike[round(place * step)] for place in range(min(FEW, len(alike))))
