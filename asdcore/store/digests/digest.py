"""Compute digests: of a recipe (what should be computed) and of a content (what was computed).

``sha256-table-v1``, the content digest of a table
    SHA-256 over, for the rows sorted by key: the row count (8 bytes, little-endian), then for each column in table
    order its name and type name (UTF-8, each ended by a zero byte), one byte a row for validity (1 present, 0 null),
    and its values. Numbers are little-endian in their own width (a null is 0, every NaN is the one quiet NaN, -0.0 is
    0.0); booleans are one byte; a string is its UTF-8 length (8 bytes) and its bytes; lists and arrays are their length
    (8 bytes) and their values. It depends on values alone, not on the Parquet writer, its version or its row groups.

``sha256-json-v1``, a recipe digest
    SHA-256 over the JSON text of the recipe with sorted keys and no white space.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLE_ALGORITHM = "sha256-table-v1"
RECIPE_ALGORITHM = "sha256-json-v1"

FEW, TEXTS = 1 << 10, 1 << 16
"""Texts that Python joins sooner; and those that polars joins at once."""


def recipe_digest(recipe: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a recipe: a JSON-like dictionary."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def bytes_digest(content: bytes) -> str:
    """Return the SHA-256 (hex) of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table_digest(frame: pl.DataFrame, key: tuple[str, ...]) -> str:
    """Return the ``sha256-table-v1`` (hex) of a frame whose rows are identified by ``key``."""
    frame = frame.sort(key)
    columns = ((column.name, column.dtype, [_present(column).tobytes()], column_values(column)) for column in frame)
    return columns_digest(len(frame), columns)


def columns_digest(rows: int, columns: Iterable[tuple[str, Any, Iterable[bytes], Iterable[bytes]]]) -> str:
    """Return the ``sha256-table-v1`` (hex) of columns: name, type, and the bytes of validity and values, in parts."""
    digest = hashlib.sha256(rows.to_bytes(8, "little"))
    for name, dtype, present, values in columns:
        digest.update(f"{name}\0{_type_name(dtype)}\0".encode())
        for part in itertools.chain(present, values):
            digest.update(part)
    return digest.hexdigest()


def text_parts(texts: list[str]) -> list[bytes]:
    """Return what a column of strings without nulls adds to a digest."""
    coded = [text.encode() for text in texts]
    return [np.array([len(code) for code in coded], "<i8").tobytes(), b"".join(coded)]


def _type_name(dtype: pl.DataType) -> str:
    """Name a type in our own words, so that a library's renaming cannot change a digest."""
    if isinstance(dtype, pl.Array | pl.List):
        return f"list<{_type_name(dtype.inner)}>"  # type: ignore[arg-type]
    names = {pl.String: "utf8", pl.Boolean: "bool", pl.Float32: "float32", pl.Float64: "float64"}
    names |= {pl.Int8: "int8", pl.Int32: "int32", pl.Int64: "int64"}
    for kind, name in names.items():
        if dtype == kind:
            return name
    raise TypeError(f"No digest is defined for a column of type {dtype}")


def column_values(column: pl.Series) -> Iterator[bytes]:
    """Yield what the values of a column add to a digest: of strings and lists the lengths first."""
    dtype = column.dtype
    if isinstance(dtype, pl.Array | pl.List):
        as_list = column.cast(pl.List(dtype.inner))
        yield _without_nulls(as_list.list.len(), 0).to_numpy().astype("<i8").tobytes()
        yield from column_values(as_list.explode())
    elif dtype == pl.String:
        texts = _without_nulls(column, "")
        yield texts.str.len_bytes().to_numpy().astype("<i8").tobytes()
        yield from _joined(texts)
    elif dtype == pl.Boolean:
        yield _without_nulls(column, False).to_numpy().astype(np.uint8).tobytes()
    else:
        array = _without_nulls(column, 0).to_numpy()
        array = array.astype(array.dtype.newbyteorder("<"))
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array) + array.dtype.type(0)
        yield array.tobytes()


def _joined(texts: pl.Series) -> list[bytes]:
    """Return the UTF-8 of all texts, in parts. Polars joins many sooner than Python does, up to 4 GB."""
    if len(texts) < FEW:
        return ["".join(texts.to_list()).encode()]
    return [texts.slice(start, TEXTS).str.join("").item().encode() for start in range(0, len(texts), TEXTS)]


def _present(column: pl.Series) -> NDArray[np.uint8]:
    if not column.null_count():
        return np.ones(len(column), np.uint8)
    return column.is_not_null().to_numpy().astype(np.uint8)


def _without_nulls(column: pl.Series, value: str | int | bool) -> pl.Series:
    return column.fill_null(value) if column.null_count() else column
