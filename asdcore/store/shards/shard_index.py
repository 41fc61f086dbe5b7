"""Keeps which clips each shard of a large feature set holds, so that a run need not open a thousand shards to ask.

One table in the store holds the names of one feature set, with what tells that a shard is the same file: its inode,
size and time of change. A shard that differs is read again. A damaged table is the same as none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from asdcore.errors import StoreError
from asdcore.store.tables import Table, read_table, write_table

Written = tuple[int, int, int]
"""The inode, size and time of change of a file."""

STATUS = ("inode", "size", "changed")
NAMES = Table(
    "shard names",
    ("shard", "audio_sha256"),
    {"shard": pl.String, **dict.fromkeys(STATUS, pl.Int64), "audio_sha256": pl.String},
)

Names = Mapping[Path, tuple[Written, tuple[str, ...]]]
"""Of each shard what tells that it is the same file, and the clips that it holds."""


def kept_path(folder: Path) -> Path:
    """Return where the names of a feature set are kept."""
    return folder.parents[1] / "names" / f"{folder.name}.parquet"


def keep(folder: Path, names: Names) -> None:
    """Keep the names of all shards of a feature set."""
    columns: dict[str, list[str | int]] = {name: [] for name in NAMES.columns}
    for shard, (written, clips) in names.items():
        columns["shard"] += [shard.name] * len(clips)
        columns["audio_sha256"] += clips
        for name, value in zip(STATUS, written, strict=True):
            columns[name] += [value] * len(clips)
    with suppress(StoreError):  # it only saves time, so a full disk does not matter
        write_table(NAMES, pl.DataFrame(columns, schema=NAMES.columns), kept_path(folder))


def kept(folder: Path) -> Iterator[tuple[Path, tuple[Written, tuple[str, ...]]]]:
    """Yield the names of each shard as they were when they were kept; nothing if nothing sound was."""
    path = kept_path(folder)
    if not path.is_file():
        return
    try:
        table = read_table(NAMES, path, "It is then written anew.")
    except StoreError:
        return
    clips, start = table["audio_sha256"].to_list(), 0
    runs = table.group_by("shard", *STATUS, maintain_order=True).len()
    for name, inode, size, changed, length in runs.rows():
        yield folder / name, ((inode, size, changed), tuple(clips[start : start + length]))
        start += length


def drop(folder: Path) -> None:
    """Forget the names of a feature set."""
    with suppress(OSError):
        kept_path(folder).unlink()
