"""Knows which shard of a feature set holds which clip; a process reads the names in a shard once.

A run asks this for every machine. Reading a thousand shards for each of a thousand machines would take longer than
scoring them. So the answer is remembered as long as the folder's time of change stays the same. The clock of a file
system may tick every two seconds only, and two changes within a tick look like one. So a folder that changed shortly
before it was listed is listed again. The names of many shards are kept in the store for the next process, too
(:mod:`asdcore.store.shards.shard_index`).
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.table_files import told_of_damage
from asdcore.errors import StoreError
from asdcore.store.disk.lost_disk import answering
from asdcore.store.disk.shared_disk import unstale
from asdcore.store.shards.even_shards import arrow_table
from asdcore.store.shards.shard_index import Written, drop, keep, kept

SETTLED = 2_500_000_000
"""Nanoseconds after which a change of a folder has another time than the one before: a slow clock's tick and more."""

MOST_FOLDERS = 64
"""Feature sets whose names a process keeps."""

MANY = 100
"""Shards whose names are read one by one; of more, they are kept in the store."""

NAME = "audio_sha256"


@dataclass(frozen=True)
class _Listed:
    """What a folder held when it was listed, and the shard of each clip."""

    changed: tuple[int, int]
    settled: bool
    shards: Mapping[Path, Written]
    where: dict[str, Path]


_LISTED: dict[Path, _Listed] = {}
_NAMES: dict[Path, tuple[Written, tuple[str, ...]]] = {}
_LOCK = threading.RLock()


def shards_of_clips(folder: Path) -> dict[str, Path]:
    """Return {audio digest: the shard that holds it}, of the last one by name if several do; callers only read it.

    Raises StoreError, naming it, if a shard is damaged or not a file.
    """
    with _LOCK:
        changed = _changed(folder)
        listed = _LISTED.pop(folder, None)
        if listed is None or not listed.settled or listed.changed != changed:
            listed = _list(folder, changed, listed)
        _LISTED[folder] = listed
        while len(_LISTED) > MOST_FOLDERS:
            _let_go(next(iter(_LISTED)))
        return listed.where


def each_shard(folder: Path) -> Iterator[tuple[Path, Sequence[str]]]:
    """Yield every shard and the audio digests in it, in the order of names; those that are not known are not kept.

    Raises StoreError, naming it, if a shard is damaged or not a file.
    """
    for shard, written in _shards(folder).items():
        yield shard, _NAMES[shard][1] if _is_known(shard, written) else _read(shard)


def forget(folder: Path) -> None:
    """Forget a folder, so that it is listed again and every shard of it read."""
    with _LOCK:
        _let_go(folder)
        drop(folder)


def _let_go(folder: Path) -> None:
    listed = _LISTED.pop(folder, None)
    for shard in listed.shards if listed else ():
        _NAMES.pop(shard, None)


def repair(path: Path) -> str:
    """Return the advice that ends a message about a damaged file of the store."""
    return f"Remove it with 'rm {path}' and run again: it is then computed anew."


def _changed(folder: Path) -> tuple[int, int]:
    """Return the inode and time of change of a folder; zeros if there is none."""
    try:
        with answering(folder):
            facts = folder.stat()
    except OSError:
        return 0, 0
    return facts.st_ino, facts.st_mtime_ns


def _list(folder: Path, changed: tuple[int, int], before: _Listed | None) -> _Listed:
    settled = 0 < changed[1] < time.time_ns() - SETTLED
    shards = _shards(folder)
    if before and before.shards == shards:
        return _Listed(changed, settled, shards, before.where)
    _recall(folder, shards)
    unknown = sum(not _is_known(shard, written) for shard, written in shards.items())
    where: dict[str, Path] = {}
    for shard, written in shards.items():
        where.update(dict.fromkeys(_names(shard, written), shard))
    if unknown > MANY:
        keep(folder, {shard: _NAMES[shard] for shard in shards})
    for gone in (before.shards.keys() if before else set()) - shards.keys():
        _NAMES.pop(gone, None)
    return _Listed(changed, settled, shards, where)


def _shards(folder: Path) -> dict[Path, Written]:
    shards = {}
    try:
        with answering(folder):
            names = sorted(name for name in os.listdir(folder) if name.endswith(".parquet"))  # noqa: PTH208
    except OSError:
        names = []
    for shard in map(folder.joinpath, names):
        try:
            with answering(shard):
                facts = unstale(shard.stat, shard)
        except OSError:
            facts = None
        if facts is None or not stat.S_ISREG(facts.st_mode):  # a pipe could be read for ever
            raise StoreError(f"{shard} is a broken link or not a file. {repair(shard)}")
        shards[shard] = (facts.st_ino & (1 << 63) - 1, facts.st_size, facts.st_mtime_ns)
    return shards


def _recall(folder: Path, shards: Mapping[Path, Written]) -> None:
    """Remember the names that the store keeps of a folder's shards, if so many are unknown that it is worth it."""
    if sum(not _is_known(shard, written) for shard, written in shards.items()) > MANY:
        for shard, (written, names) in kept(folder):
            if shards.get(shard) == written:
                _NAMES[shard] = written, tuple(map(sys.intern, names))


def _is_known(shard: Path, written: Written) -> bool:
    return shard in _NAMES and _NAMES[shard][0] == written


def _names(shard: Path, written: Written) -> tuple[str, ...]:
    """Return the audio digests of a shard. A shard written again is read again."""
    if not _is_known(shard, written):
        # Every feature set names the same clips.
        _NAMES[shard] = written, tuple(map(sys.intern, _read(shard)))
    return _NAMES[shard][1]


def _read(shard: Path) -> list[str]:
    try:
        with answering(shard), told_of_damage():
            names = _text(arrow_table(shard, [NAME]))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{shard} is damaged, perhaps cut short ({reason}). {repair(shard)}") from error
    if names is None:
        raise StoreError(f"{shard} does not name the audio of its features. {repair(shard)}")
    return names


def _text(table: Any) -> list[str] | None:
    """Return the only column of a pyarrow table, None if it has none, or it holds other things than text."""
    if not table.num_columns or table.column(0).null_count or "string" not in str(table.schema.types[0]):
        return None
    names: list[str] = table.column(0).to_pylist()
    return names
