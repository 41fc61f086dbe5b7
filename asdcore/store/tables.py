"""The schema of every table, and the functions that write tables to disk and read them back.

Tables are polars frames in memory and Parquet files on disk. A table's content digest is written into its file and
checked when it is read, so a flipped byte or a file cut short is noticed before anything is computed from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from asdcore.basics import table_files
from asdcore.errors import StoreError
from asdcore.store.digests.digest import TABLE_ALGORITHM, table_digest
from asdcore.store.disk.atomic import atomic_path
from asdcore.store.disk.lost_disk import answering
from asdcore.store.disk.shared_disk import appears, is_regular, unstale

Dtype = pl.DataType | type[pl.DataType]

CELL = ("machine", "section")
"""The columns that name a cell: scores are made, calibrated and judged for each machine and section alone."""


@dataclass(frozen=True)
class Table:
    """A table's name, the columns that identify a row, and all columns with their types.

    unknown : columns that may be null; if one is absent, it is added as null. Other columns of numbers may not be null.
    if_known : columns that come last, if any row has a value; a table without any is the table that it was before there
    were such columns, to the digest.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, Dtype]
    unknown: tuple[str, ...] = ()
    if_known: dict[str, Dtype] = field(default_factory=dict)

    def check(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return ``frame`` with the table's column order; raises StoreError if it is not this table."""
        if absent := [name for name in self.unknown if name not in frame.columns]:
            frame = frame.with_columns(pl.lit(None, self.columns[name]).alias(name) for name in absent)
        frame = frame.drop(name for name in self.if_known if name in frame.columns and frame[name].is_null().all())
        columns = self.columns | {name: kind for name, kind in self.if_known.items() if name in frame.columns}
        extra = sorted(set(frame.columns) - set(columns))
        missing = sorted(set(self.columns) - set(frame.columns))
        if extra or missing:
            raise StoreError(
                f"This is not a {self.name} table: missing columns {missing}, unexpected columns {extra}. "
                f"A {self.name} table has {', '.join(self.columns)}."
            )
        frame = frame if frame.columns == list(columns) else frame.select(list(columns))
        for name, dtype in columns.items():
            if frame.schema[name] != dtype:
                raise StoreError(f"{self.name}.{name} is {frame.schema[name]}, it must be {dtype}.")
        if _has_duplicates(frame.select(self.key)):
            raise StoreError(f"Two rows of a {self.name} table have the same {', '.join(self.key)}.")
        self._check_values(frame)
        return frame

    def _check_values(self, frame: pl.DataFrame) -> None:
        """Raise StoreError if a key, score or decision is missing, or a number is not finite."""
        for name, dtype in self.columns.items():
            column = frame[name]
            number = dtype in (pl.Float64, pl.Int8) and name not in self.unknown
            bad = column.null_count() if number or name in self.key else 0
            if dtype == pl.Float64:
                present = column.drop_nulls() if column.null_count() else column
                bad += int((~np.isfinite(present.to_numpy())).sum())
            if bad:
                raise StoreError(f"{self.name}.{name} has {bad} values that are missing or not finite.")


def _has_duplicates(keys: pl.DataFrame) -> bool:
    """Whether two rows are the same. Hashes that all differ say no in little memory; else the rows are compared."""
    hashes = np.sort(keys.hash_rows().to_numpy())
    return bool((hashes[1:] == hashes[:-1]).any()) and bool(keys.is_duplicated().any())


AUDIO_FACTS: dict[str, Dtype] = {
    "channels": pl.Int32,
    "sample_rate": pl.Int32,
    "n_samples": pl.Int64,
    "sha256": pl.String,
}
CLIP_INDEX = Table(
    "clip index",
    ("clip",),
    {
        "clip": pl.String,
        "machine": pl.String,
        "section": pl.String,
        "split": pl.String,
        "domain": pl.String,
        "attributes": pl.String,
        **AUDIO_FACTS,
        "order": pl.Float64,
        "recording": pl.String,
    },
    unknown=("order", "recording"),
    if_known={"unit": pl.String, "sound": pl.String},
)
"""``order`` and ``recording`` say which train clips were cut side by side; null for every test clip. See
:mod:`asdcore.data.clip_index.recording_columns`. ``unit`` is that of the samples, such as "g", where a file or table
says it. ``sound`` is the digest of the samples (:mod:`asdcore.data.clip_index.same_sound`); runs add it to what a
dataset reader lists."""

GROUND_TRUTH = Table(
    "ground truth",
    ("clip",),
    {"clip": pl.String, "label": pl.Int8, "domain": pl.String},
    if_known={"recording": pl.String},
)
"""``recording`` names what a test clip was cut from, if that is more than its own file: intervals draw clips of one
recording together. The clip index keeps it of train clips alone."""
FEATURES = Table(
    "features",
    ("audio_sha256",),
    {"audio_sha256": pl.String, "shape": pl.List(pl.Int32), "values": pl.List(pl.Float32)},
)
FULL = -1
"""The fold of a score from the scorer fitted on all train normals (leave-one-out included)."""

CHUNK_SCORES = Table(
    "chunk scores",
    ("role", "row", "reference", "fold"),
    {"role": pl.String, "row": pl.Int32, "reference": pl.String, "fold": pl.Int32, "score": pl.Float64},
)
SCORES = Table(
    "score",
    ("clip", "branch", "reference", "fold", "role"),
    {
        "clip": pl.String,
        "machine": pl.String,
        "section": pl.String,
        "split": pl.String,
        "domain": pl.String,
        "branch": pl.String,
        "reference": pl.String,
        "fold": pl.Int32,
        "role": pl.String,
        "score": pl.Float64,
    },
)
CALIBRATED = Table(
    "calibrated",
    ("clip", "branch", "role"),
    {"clip": pl.String, "branch": pl.String, "role": pl.String, "z": pl.Float64},
)
RANGES = Table(
    "ranges",
    ("domain",),
    {
        "domain": pl.String,
        "clips": pl.Int32,
        "nearness": pl.Float64,
        "chance": pl.Float64,
        "range": pl.Int32,
    },
)
"""How far train normals of one machine, section and feature set depend on their neighbours; see
:mod:`asdcore.held_out.dependence`."""

SYSTEMS = Table(
    "systems",
    ("clip", "system", "role"),
    {
        "clip": pl.String,
        "system": pl.String,
        "role": pl.String,
        "base": pl.Float64,
        "penalty": pl.Float64,
        "score": pl.Float64,
    },
)
DECISIONS = Table(
    "decisions",
    ("clip", "system"),
    {"clip": pl.String, "system": pl.String, "score": pl.Float64, "threshold": pl.Float64, "decision": pl.Int8},
)


def write_table(table: Table, frame: pl.DataFrame, path: Path) -> str:
    """Check a table, write it atomically, and return its content digest."""
    frame = table.check(frame).sort(table.key)
    digest = table_digest(frame, table.key)
    write_parquet(frame, path, digest)
    return digest


def read_table(table: Table, path: Path, repair: str) -> pl.DataFrame:
    """Read a table and check its columns and content; ``repair`` is the advice an error ends with."""
    return read_digested(table, path, repair)[0]


def read_digested(table: Table, path: Path, repair: str) -> tuple[pl.DataFrame, str]:
    """Read a table and check its columns and content; return it with its content digest."""
    frame = read_parquet(path, repair)
    try:
        frame = table.check(frame)
    except StoreError as error:
        raise StoreError(f"{path}: {error} {repair}") from error
    return frame, check_content(frame, table.key, path, repair)


def write_parquet(frame: pl.DataFrame, path: Path, digest: str) -> None:
    """Write a frame with its content digest in the file's metadata, atomically."""
    with atomic_path(path) as temporary:
        table_files.write_parquet(frame, temporary, {TABLE_ALGORITHM: digest})


def read_parquet(path: Path, repair: str) -> pl.DataFrame:
    """Read a Parquet file; raises StoreError if it is missing or damaged."""
    try:
        with answering(path):
            if appears(path) and not is_regular(path):
                raise StoreError(f"{path} is not a regular file. {repair}")
            return unstale(lambda: table_files.read_parquet(path), path)
    except FileNotFoundError:
        raise StoreError(f"There is no {path}. {repair}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise StoreError(f"{path} cannot be read as Parquet ({why}): cut short or overwritten. {repair}") from error


def stored_digest(path: Path) -> str:
    """Return the content digest in a file's metadata."""
    return unstale(lambda: table_files.parquet_metadata(path), path).get(TABLE_ALGORITHM, "none")


def check_content(frame: pl.DataFrame, key: tuple[str, ...], path: Path, repair: str) -> str:
    """Recompute the content digest of a frame just read from ``path`` and compare it with the file's own."""
    recorded, digest = stored_digest(path), table_digest(frame, key)
    if recorded != digest:
        raise StoreError(f"{path} has changed since it was written (recorded {recorded}, now {digest}). {repair}")
    return digest
