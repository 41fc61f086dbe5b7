"""Remembers what recordings are, so that a run reads only those again that may have changed since the last.

A recording counts as unchanged if its path, size, inode, time of change and time of status change are the same, as git
has it. The time of status change cannot be set by a program, so content that changes shows even if the size stays and
the time of change is set back. As git does, a recording that changed shortly before it was read is read again: within
one tick of a clock another change would leave all times alike. What this does not see: a disk that loses bits; a device
written past its file system; a clock set back to the very tick; a program that keeps the file mapped into memory and
writes there later. ``--rehash`` reads everything, and so do ``asdcore freeze`` and ``asdcore verify``.

One table in the store holds the recordings of one data folder. It is written at once or not at all, by whichever run
comes last, and its rows say nothing but what each file was. A damaged table is the same as none.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from asdcore.basics.cores import cores
from asdcore.basics.recording_parts import recording_name
from asdcore.data.recordings.audio import AudioFacts
from asdcore.errors import StoreError
from asdcore.store.digests.digest import bytes_digest
from asdcore.store.tables import AUDIO_FACTS, Table, read_table, write_table

STATUS = ("size", "inode", "modified", "changed")
"""What tells that a file is the same: bytes, number, and times in nanoseconds."""

FACTS = {**AUDIO_FACTS, "rest": pl.Int64, "unit": pl.String, "still": pl.Int64, "sound": pl.String, "level": pl.Float64}
RECORDINGS = Table(
    "recordings", ("clip",), {"clip": pl.String, **dict.fromkeys(STATUS, pl.Int64), **FACTS}, unknown=tuple(FACTS)
)

SETTLED, COARSE = 2_500_000_000, 3_600_000_000_000
"""Nanoseconds after which a file's next change has another time. A clock that counts whole seconds is another
machine's or an old disk's; it may also be behind ours."""

BATCH = 16
"""Files that a thread takes at once."""

Look = Callable[[str], AudioFacts | str]
"""Reads one clip; returns its facts, or what is wrong with it."""


@dataclass(frozen=True)
class Memory:
    """Where recordings are remembered, and whether what is remembered may be used."""

    folder: Path
    trusted: bool = True

    def table(self, root: Path) -> Path:
        """Return the path of the table of one data folder."""
        return self.folder / f"{bytes_digest(os.fsencode(root.resolve()))}.parquet"


_MEMORY: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Let :func:`asdcore.index_clips`, inside the block, read only recordings that may have changed."""
    token = _MEMORY.set(memory)
    try:
        yield
    finally:
        _MEMORY.reset(token)


def read_or_remembered(root: Path, clips: list[str], look: Look) -> tuple[pl.DataFrame, list[str]]:
    """Return the facts of clips, a row each in their order (null for an unreadable one), and what is wrong."""
    memory = _MEMORY.get()
    if memory is None:
        return _read(clips, look)
    # A file may change while it is read: its status from before is then one that it never has again.
    now, status = time.time_ns(), _status(root, clips)
    before = _remembered(memory, root)
    rows = status.join(before, on=["clip", *STATUS], how="left", maintain_order="left")
    new = rows["sha256"].is_null()
    if not new.any():
        return rows.select(list(FACTS)), []
    read, problems = _read(rows.filter(new)["clip"].to_list(), look)
    place = new.cum_sum().cast(pl.Int64) - 1
    facts = rows.select(
        pl.when(new).then(read[name].gather(place.clip(0))).otherwise(pl.col(name)).alias(name) for name in FACTS
    )
    if not problems or memory.folder.parent.is_dir():  # of a faulty data set no new store comes to be
        _remember(memory, root, pl.concat([status, facts], how="horizontal"), now)
    return facts, problems


def _read(clips: list[str], look: Look) -> tuple[pl.DataFrame, list[str]]:
    """Read clips, several at once."""

    def look_at(batch: list[str]) -> list[AudioFacts | str]:
        return [look(clip) for clip in batch]

    # To hand a small file to a thread takes as long as to read it.
    batches = [clips[start : start + BATCH] for start in range(0, len(clips), BATCH)]
    with ThreadPoolExecutor(max_workers=cores()) as threads:
        outcomes = [outcome for batch in threads.map(look_at, batches) for outcome in batch]
    return facts_table(outcomes), [outcome for outcome in outcomes if isinstance(outcome, str)]


def facts_table(outcomes: list[AudioFacts | str] | list[AudioFacts | str | None]) -> pl.DataFrame:
    """Return facts as a table, null for a clip that has none."""
    empty = dict.fromkeys(FACTS)
    rows = [vars(outcome) if isinstance(outcome, AudioFacts) else empty for outcome in outcomes]
    return pl.DataFrame(rows, schema=FACTS)


def _status(root: Path, clips: list[str]) -> pl.DataFrame:
    """Return the size, inode and times of every clip's file, -1 if there is none."""
    folder = os.fspath(root)
    seen = array("q")  # a million tuples would keep Python's garbage collector busy
    for clip in clips:
        try:
            facts = os.stat(f"{folder}/{recording_name(clip)}")  # noqa: PTH116
        except (OSError, ValueError):
            seen.extend((-1, -1, -1, -1))
            continue
        seen.extend((facts.st_size, facts.st_ino & (1 << 63) - 1, facts.st_mtime_ns, facts.st_ctime_ns))
    statuses = np.array(seen, np.int64).reshape(len(clips), len(STATUS))
    columns = {"clip": clips, **dict(zip(STATUS, statuses.T, strict=True))}
    return pl.DataFrame(columns, schema_overrides={"clip": pl.String})


def _remembered(memory: Memory, root: Path) -> pl.DataFrame:
    """Return the recordings that a folder held when it was last read; none if nothing sound was kept."""
    path = memory.table(root)
    if memory.trusted and path.is_file():
        with suppress(StoreError):
            return read_table(RECORDINGS, path, "It is then written anew.").filter(pl.col("sha256").is_not_null())
    return pl.DataFrame(schema=RECORDINGS.columns)


def _remember(memory: Memory, root: Path, rows: pl.DataFrame, now: int) -> None:
    """Keep what was read, except of files that had changed a moment before ``now``."""
    last = pl.max_horizontal("modified", "changed")
    margin = pl.when(pl.col("changed") % 1_000_000_000 == 0).then(COARSE).otherwise(SETTLED)
    sure = rows.filter(pl.col("sha256").is_not_null() & (pl.col("size") >= 0) & (last < now - margin))
    with suppress(StoreError):  # it only saves time, so a full disk does not matter
        write_table(RECORDINGS, sure.unique("clip", keep="none"), memory.table(root))
