"""Hand the same recordings over again, as links: under exchanged names, or only half of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asdcore.basics.paths import is_recording
from asdcore.basics.recording_parts import recording_name


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
    which say their domain and their order. All parts of a recording go together.
    """
    train = {clip: clip for clip in clips.filter(pl.col("split") == "train")["clip"]}
    files = _files(clips.filter(pl.col("split") == "test"), set(map(recording_name, train)))
    cells = files.sort("file").partition_by("machine", "section", "kind", "parts", maintain_order=True)
    exchanged = [pair for cell in cells for pair in zip(cell["clips"], cell["clips"].reverse(), strict=True)]
    by_sound = [cell.sort("sound", "file")["clips"] for cell in files.partition_by("machine", "section")]
    halves = ([clips for cell in by_sound for clips in cell[start::2]] for start in (0, 1))
    ways = [Other("with the names of test clips exchanged", _paired(exchanged))]
    ways += [Other("with one half of the test clips", _paired(zip(half, half, strict=True))) for half in halves if half]
    return [Other(way.how, train | way.sounds) for way in ways if way.sounds]


def _files(test: pl.DataFrame, train: set[str]) -> pl.DataFrame:
    """Return a row for each recording of test clips: its clips, and the parts of it that they are.

    train : recordings that train clips are parts of; they keep their names.
    """
    name = pl.col("clip").map_elements(recording_name, pl.String)
    parts = test.sort("clip").with_columns(name.alias("file")).filter(~pl.col("file").is_in(list(train)))
    kind = pl.col("file").str.to_lowercase().str.extract(r"(\.[^./]*)$")
    part = pl.col("clip").str.strip_prefix(pl.col("file"))
    return parts.group_by("machine", "section", "file", kind.alias("kind"), maintain_order=True).agg(
        pl.col("sha256").min().alias("sound"), clips="clip", parts=part.str.join("/")
    )


def _paired(files: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[str, str]:
    """Return {clip there: clip here} of recordings there and here, each given as its clips."""
    return {new: old for there, here in files for new, old in zip(there, here, strict=True)}


def plant(root: Path, tree: Path, sounds: Mapping[str, str]) -> None:
    """Link recordings below ``root`` into ``tree``, by {name there: name below root}, and all other files."""
    files = {recording_name(there): recording_name(here) for there, here in sounds.items()}
    for there, here in files.items():
        _link(root / here, tree / there)
    for name in _other_files(root):
        if name.as_posix() not in files:  # a table of samples is a recording if it is named as one
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
        if not is_recording(name) and (Path(folder) / name).is_file()
    ]


def _link(source: Path, target: Path) -> None:
    """Link a file so that nothing of the link shows where it came from; copy it if it cannot be linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)
