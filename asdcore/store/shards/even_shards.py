"""Reads the usual shard of features at once: its clips have features of one shape, and nothing of it is damaged.

Anything else is left to the careful way, which says what is wrong. So this may be as quick as the file system: a
machine of a thousand clips is read from sixteen shards.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from asdcore.basics.table_files import told_of_damage
from asdcore.store.digests.digest import TABLE_ALGORITHM, columns_digest, text_parts
from asdcore.store.disk.shared_disk import unstale
from asdcore.store.tables import FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

TYPES = ("large_string", "large_list<element: int32>", "large_list<element: float>")
"""The columns of FEATURES as pyarrow names their types."""


def arrow_table(shard: Path, columns: list[str] | None = None) -> Any:
    """Return some columns of a shard, or all, as a pyarrow table: of a small file it takes half as long as polars.

    Raises OSError, or what :func:`asdcore.basics.table_files.told_of_damage` tells, if it cannot be read.
    """
    import pyarrow.parquet

    def read() -> Any:
        # Of a path pyarrow would take "file:" for the beginning of an address.
        with pyarrow.OSFile(str(shard)) as opened, pyarrow.parquet.ParquetFile(opened) as file:
            return file.read(columns, use_threads=False)

    return unstale(read, shard)


class Even(NamedTuple):
    """The content digest of a shard, which was compared with its content, and {audio digest: features} of its rows."""

    digest: str
    rows: dict[str, NDArray[np.float32]]


def read_even(shard: Path) -> Even | None:
    """Return what a shard's file holds, None if that is not as usual or not what was written."""
    if not shard.is_file():  # a pipe could be read for ever
        return None
    try:
        with told_of_damage():
            return even_rows(arrow_table(shard))
    except (OSError, pl.exceptions.PolarsError):
        return None


def even_rows(table: Any) -> Even | None:
    """Return what a shard holds, None if its rows are not as usual or not what was written.

    table : the pyarrow table of a shard's file, with the content digest among its metadata.
    """
    schema = table.schema
    if schema.names != list(FEATURES.columns) or tuple(map(str, schema.types)) != TYPES or not len(table):
        return None
    columns = [column.combine_chunks() for column in table.columns]
    flat = [column.flatten() for column in columns[1:]]
    if any(column.null_count for column in (*columns, *flat)):
        return None
    names = columns[0].to_pylist()
    lengths, counts = (np.diff(_array(column.offsets)) for column in columns[1:])
    if (lengths != lengths[0]).any():
        return None
    shapes, block = _array(flat[0]).reshape(len(names), lengths[0]), _array(flat[1])
    shape = tuple(shapes[0].tolist())
    if (shapes != shapes[0]).any() or min(shape, default=1) <= 0 or (counts != math.prod(shape)).any():
        return None
    in_order = all(first < second for first, second in itertools.pairwise(names))
    if not in_order or not np.isfinite(block).all():
        return None
    digest = _digest(names, shapes, counts, block)
    if digest.encode() != (schema.metadata or {}).get(TABLE_ALGORITHM.encode()):
        return None
    return Even(digest, dict(zip(names, block.reshape(len(names), *shape), strict=True)))


def _array(numbers: Any) -> NDArray[Any]:
    """Return a pyarrow array of numbers, without nulls, for numpy.

    Its own ``to_numpy`` imports pandas where that is installed, which takes longer than to read a machine.
    """
    return np.from_dlpack(numbers)


def _digest(names: list[str], shapes: NDArray[np.int32], counts: NDArray[np.int64], values: NDArray[np.float32]) -> str:
    """Return the content digest of a shard without nulls, its rows in order and its values finite."""
    present, dtypes = [b"\1" * len(names)], FEATURES.columns
    lengths = np.full(len(names), shapes.shape[1], "<i8").tobytes(), shapes.astype("<i4").tobytes()
    contents = counts.astype("<i8").tobytes(), (values.astype("<f4") + np.float32(0)).tobytes()
    parts = {"audio_sha256": text_parts(names), "shape": lengths, "values": contents}
    return columns_digest(len(names), [(name, dtypes[name], present, parts[name]) for name in dtypes])
