"""Hand the same recordings over again, as links: under exchanged names, or only half of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asdcore.data.audio import SUFFIXES


@dataclass(frozen=True)
class Other:
    """Another way to hand over the same recordings.

    how : in words. sounds : {name of a clip there: the clip of the run whose sound it is}, of all that are there.
    """

    how: str
    sounds: dict[str, str]


def others(clips: pl.DataFrame) -> list[Other]:
    """Return the other ways to hand over the recordings of a clip index: names exchanged, and either half.

    Names of test clips are exchanged within a machine and section, the first in order with the last: so each name keeps
    the grammar, and a name that says normal stands on a sound that was named anomaly. Train clips keep their names,
    which say their domain and their order.
    """
    train = {clip: clip for clip in clips.filter(pl.col("split") == "train")["clip"]}
    test = clips.filter(pl.col("split") == "test").sort("clip")
    kinds = pl.col("clip").str.to_lowercase().str.extract(r"(\.[^./]*)$")
    cells = test.with_columns(kinds.alias("kind")).partition_by("machine", "section", "kind", maintain_order=True)
    exchanged = {new: old for cell in cells for new, old in zip(cell["clip"], cell["clip"].reverse(), strict=True)}
    by_sound = [cell.sort("sha256", "clip")["clip"] for cell in test.partition_by("machine", "section")]
    halves = ([clip for cell in by_sound for clip in cell[start::2]] for start in (0, 1))
    ways = [Other("with the names of test clips exchanged", exchanged)]
    ways += [Other("with one half of the test clips", {clip: clip for clip in half}) for half in halves if half]
    return [Other(way.how, train | way.sounds) for way in ways if way.sounds]


def plant(root: Path, tree: Path, sounds: Mapping[str, str]) -> None:
    """Link recordings below ``root`` into ``tree``, by {name there: name below root}, and all other files."""
    for there, here in sounds.items():
        _link(root / here, tree / there)
    for name in _other_files(root):
        _link(root / name, tree / name)


def place_beside(root: Path, candidates: Iterable[Path]) -> Path | None:
    """Return the first folder on the disk of ``root``, where a link will do for a copy; None if there is none."""
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and folder.stat().st_dev == root.stat().st_dev:
            return folder
    return None


def _other_files(root: Path) -> list[Path]:
    """Return the files below ``root`` that are not recordings, relative to it."""
    return [
        (Path(folder) / name).relative_to(root)
        for folder, _, names in os.walk(root)
        for name in names
        if not name.lower().endswith(SUFFIXES) and (Path(folder) / name).is_file()
    ]


def _link(source: Path, target: Path) -> None:
    """Link a file so that nothing of the link shows where it came from; copy it if it cannot be linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)
