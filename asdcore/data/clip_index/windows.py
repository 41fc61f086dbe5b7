"""Cuts recordings into windows of equal length, which are then the clips: nothing on disk is cut.

A window is a part of its recording (:mod:`asdcore.basics.recording_parts`), so its name says where it lies in time:
``hall/monday.wav#t=20-30``. What is left at the end of a recording, shorter than a window, is a stump: it is left out,
and reported. Windows of one recording resemble one another, so train windows keep its name in the column ``recording``,
and their begin in seconds in ``order``; they are then scored without all of their own recording
(:mod:`asdcore.held_out`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.recording_parts import Part, part_digest, part_name, part_of, recording_path, seconds_text
from asdcore.contract.interfaces import Dataset
from asdcore.data.clip_index.clips import completed, facts_are_given, index_clips, looked_at
from asdcore.data.recordings.audio import file_digest, header, opened
from asdcore.data.recordings.sound_part import samples_of
from asdcore.errors import DataError, DatasetError
from asdcore.store.tables import CELL, CLIP_INDEX

EXAMPLES = 3
"""Recordings that a note names."""

ROOM = 1e6
"""More seconds than a recording has."""


@dataclass
class WindowedReader:
    """Lists the windows of the clips that a dataset reader lists.

    Parameters
    ----------
    reader : Dataset
        Lists recordings.
    seconds, hop : float
        Length of a window, and from the begin of one to that of the next.

    Attributes
    ----------
    notes : list of str
        What to know of the windows that were last listed: stumps and short recordings, which are left out.
    """

    reader: Dataset
    seconds: float
    hop: float
    notes: list[str] = field(default_factory=list)

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index of windows; raises DatasetError if all train recordings of a machine are too short.

        Inside :func:`asdcore.data.clip_index.clips.looked_at` the lengths of recordings come from their headers, and a
        recording whose header cannot be read stays whole, so that whoever reads it says what is wrong.
        """
        with looked_at({}) if facts_are_given() else nullcontext():
            index = completed(self.reader.clips(root))
        cutter = _Cutter(root, Decimal(str(self.seconds)), Decimal(str(self.hop)))
        rows = [window for row in _in_order(index).iter_rows(named=True) for window in cutter.windows(row)]
        self._check_train(root, index, rows)
        self.notes = [*cutter.notes(), *_alike(rows)]
        if facts_are_given():
            return index_clips(root, rows, names_repeat=True)
        schema = {**CLIP_INDEX.columns, **CLIP_INDEX.if_known}
        return CLIP_INDEX.check(pl.DataFrame(rows, schema=schema).sort("clip"))

    def _check_train(self, root: Path, index: pl.DataFrame, rows: list[dict[str, Any]]) -> None:
        """Raise DatasetError for machines whose train recordings are all too short for a window."""
        kept = {(row["machine"], row["section"]) for row in rows if row["split"] == "train"}
        cells = index.filter(split="train").select(CELL).unique(maintain_order=True).rows()
        if lost := [
            f"{machine} section {section}: none of its train recordings is as long as a window of {self.seconds:g} s"
            for machine, section in cells
            if (machine, section) not in kept
        ]:
            raise DatasetError(f"{root}: windows are too long for these recordings. Choose shorter ones.", lost, index)


@dataclass
class _Cutter:
    """Cuts recordings below a root, and remembers what it left out, in seconds by clip."""

    root: Path
    seconds: Decimal
    hop: Decimal
    stumps: dict[str, float] = field(default_factory=dict)
    short: dict[str, float] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def windows(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the windows of a row of the clip index, as rows of their own."""
        clip, train = row["clip"], row["split"] == "train"
        for name, start, n_samples in self.names(clip, row["sample_rate"], row["n_samples"]):
            digest = part_digest(name, self._file_digest(clip, row["sha256"])) if row["sha256"] else None
            order = float(start) if row["order"] is None else row["order"] + float(start)
            yield {
                **row,
                "clip": name,
                "n_samples": n_samples if digest else None,
                "sha256": digest,
                "recording": (row["recording"] or (clip if row["order"] is None else None)) if train else None,
                "order": order if train else None,
            }

    def names(
        self, clip: str, rate: int | None = None, n_samples: int | None = None
    ) -> Iterator[tuple[str, Decimal, int]]:
        """Yield name, begin in seconds and samples of every window of a clip.

        rate, n_samples : of the clip; by default from the header of its file.
        """
        part = part_of(clip)
        try:
            rate, first, stop = self._stretch(clip, part, rate, n_samples)
        except DataError:
            yield clip, Decimal(0), 0
            return
        start, end = part.seconds[0], first
        while (window := self._window(part, start, rate))[2] <= stop:
            name, begin, end = window
            yield name, start, end - begin
            start += self.hop
        if end == first:
            self.short[clip] = (stop - first) / rate
        elif end < stop:
            self.stumps[clip] = (stop - end) / rate

    def notes(self) -> list[str]:
        """Return a sentence for what was left out at the end of recordings, and one for recordings left out whole."""
        length, notes = f"a window of {seconds_text(self.seconds)} s", []
        if self.stumps:
            ends = "1 recording ends" if len(self.stumps) == 1 else f"{len(self.stumps)} recordings end"
            notes.append(f"{ends} in a stump shorter than {length}, which is left out: {_listed(self.stumps)}.")
        if self.short:
            are = "1 recording is" if len(self.short) == 1 else f"{len(self.short)} recordings are"
            notes.append(f"{are} shorter than {length}, and left out: {_listed(self.short)}.")
        return notes

    def _stretch(self, clip: str, part: Part, rate: int | None, n_samples: int | None) -> tuple[int, int, int]:
        """Return the sample rate of a clip, its first sample in its file, and the one behind its last."""
        if rate is None or n_samples is None:
            rate, in_file = header(self.root / clip)
            first, stop = samples_of(part, rate, in_file)
            return rate, first, min(stop, in_file)
        first, _ = samples_of(part, rate, 0)
        return rate, first, first + n_samples

    def _window(self, part: Part, start: Decimal, rate: int) -> tuple[str, int, int]:
        """Return the name of a window, its first sample in the file, and the one behind its last."""
        window = part._replace(start=seconds_text(start), end=seconds_text(start + self.seconds))
        return (part_name(*window), *samples_of(window, rate, 0))

    def _file_digest(self, clip: str, sha256: str) -> str:
        """Return the digest of a clip's file. sha256 : the clip's own."""
        file = part_of(clip).file
        if file == clip:
            return sha256
        if file not in self._digests:
            self._digests[file] = file_digest(recording_path(self.root / clip))
        if part_digest(clip, self._digests[file]) != sha256:
            raise DataError(f"{self.root / file}: changed while it was listed. Run again when it is complete.")
        return self._digests[file]


def _alike(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield that test windows resemble one another, if there are several of a recording."""
    test = [row["clip"] for row in rows if row["split"] == "test"]
    recordings = len({part_of(clip).file for clip in test})
    if len(test) > recordings:
        yield (
            f"{len(test)} test windows of {recordings} recording{'s' * (recordings > 1)}: those of one recording "
            "resemble one another, so the intervals of an evaluation draw whole recordings. They are too narrow if a "
            "machine has fewer than about six normal or six faulty ones; of a single one its windows are drawn."
        )


def windows_of(path: Path, seconds: float, hop: float) -> tuple[list[Path], list[str]]:
    """Return the windows of one recording as paths, and notes on what of it is left out.

    Raises DataError, naming the file, if it cannot be read, lacks that stretch or channel, or is shorter than a window.
    """
    with opened(path) as (_, facts):  # which has looked whether the recording has this stretch and channel
        rate, n_samples = facts.sample_rate, facts.n_samples
    cutter = _Cutter(path.parent, Decimal(str(seconds)), Decimal(str(hop)))
    windows = [path.with_name(name) for name, _, _ in cutter.names(path.name, rate, n_samples)]
    if not windows:
        raise DataError(f"{path.name}: lasts {cutter.short[path.name]:.6g} s, and a window {seconds:g} s")
    return windows, cutter.notes()


def _in_order(index: pl.DataFrame) -> pl.DataFrame:
    """Return clips with orders that leave room for the windows of each: they come before those of the next clip."""
    return index.with_columns(order=pl.col("order").rank("dense").cast(pl.Float64) * ROOM)


def _listed(seconds: dict[str, float]) -> str:
    """Name the first recordings with their seconds, and how many more there are."""
    such = ", ".join(f"{clip} ({left:.3g} s)" for clip, left in sorted(seconds.items())[:EXAMPLES])
    more = len(seconds) - EXAMPLES
    return f"{such} and {more} more" if more > 0 else such
