"""Reads features that another program computed: from a Parquet table, an npz file or a folder of npy files.

    Parquet     a column that names the recording, and one of lists (nested for frames), or ``shape`` and ``values``
    npz         an array for each name
    folder      NAME.npy for each name, folders included: fan/train/clip.wav.npy

A name is that of a clip or the SHA-256 of its file; columns of a Parquet table may say which part of a file it is of
(:mod:`asdcore.exchange.part_columns`). An array is (dim,), (time, dim) or (time, band, dim).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors

from asdcore.basics.paths import files_below, finite
from asdcore.basics.table_files import read_foreign_parquet
from asdcore.errors import DataError
from asdcore.exchange.part_columns import names_of

Floats = NDArray[np.float32]

DIGEST = re.compile(r"[0-9a-f]{64}")
DIGESTS = ("audio_sha256", "sha256")
NAMES = ("clip", "file", "filename", "path", "name")
"""Columns of a Parquet table that may name a recording, the surest first."""

HOW = (
    "a Parquet table with a column 'clip' or 'audio_sha256' and one column of lists, an npz file with an array for "
    "each clip, or a folder of CLIP.npy files"
)


@dataclass(frozen=True)
class Vectors:
    """Features by name of a clip or digest of its file; ``digests`` are those of a table that has both."""

    by_name: Mapping[str, Floats]
    digests: Mapping[str, str] | None = None

    @property
    def are_by_digest(self) -> bool:
        """Whether the names are digests."""
        return self.digests is None and all(DIGEST.fullmatch(name) for name in self.by_name)


def read_vectors(table: Path) -> Vectors:
    """Read a table of features.

    Parameters
    ----------
    table : pathlib.Path
        A Parquet file, an npz file or a folder of npy files.

    Returns
    -------
    Vectors
        Arrays (dim,), (time, dim) or (time, band, dim), float32, all of one ``dim`` and as many bands.

    Raises
    ------
    DataError
        If it is none of these, two rows have one name, or an array is empty, not finite, no numbers, or does not go
        with the others.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from asdcore.exchange.vectors import read_vectors
    >>> table = Path(tempfile.mkdtemp()) / "features.npz"
    >>> np.savez(table, **{"fan/train/a.wav": np.ones(3), "fan/train/b.wav": np.zeros(3)})
    >>> read_vectors(table).by_name["fan/train/a.wav"]
    array([1., 1., 1.], dtype=float32)
    """
    if table.is_dir():
        vectors = Vectors(_each(_npy_files(table), table))
    elif not table.is_file():
        raise DataError(f"There is no table {table}. Allowed is {HOW}.")
    elif table.suffix.lower() == ".npz":
        vectors = Vectors(_each(_npz_arrays(table), table))
    else:
        vectors = _from_parquet(table)
    if not vectors.by_name:
        raise DataError(f"{table} holds no features. Allowed is {HOW}.")
    _check_alike(vectors.by_name, table)
    return vectors


def _npy_files(folder: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    for path in (path for path in files_below(folder) if path.suffix == ".npy"):
        yield path.relative_to(folder).as_posix().removesuffix(".npy"), _loaded(partial(_npy, path), path)


def _npy(path: Path) -> Any:
    return np.load(finite(path))


def _npz_arrays(table: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with _loaded(partial(table.open, "rb"), table) as opened:  # NumPy leaves a file open that it cannot read
        arrays = _loaded(partial(np.load, opened), table)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise DataError(f"{table} is a single array, and names no clip. Allowed is {HOW}.")
        for name in arrays.files:
            array = _loaded(partial(arrays.__getitem__, name), table)
            if not isinstance(array, np.ndarray):
                raise DataError(f"{table} holds {name}, which is not an array. Write it with np.savez(file, **arrays).")
            yield name, array


def _loaded(load: Callable[[], Any], path: Path) -> Any:
    """Load an array, without running any code that its file may hold."""
    try:
        return load()
    except Exception as error:  # every decompressor of a zip file has errors of its own
        raise DataError(
            f"{path} cannot be read as NumPy arrays ({error}). Write plain arrays of numbers: np.savez(file, **arrays)."
        ) from None


def _each(arrays: Iterator[tuple[str, NDArray[Any]]], table: Path) -> dict[str, Floats]:
    by_name: dict[str, Floats] = {}
    for given, array in arrays:
        name = given.lower() if DIGEST.fullmatch(given.lower()) else given  # some tools write digests in capitals
        if name in by_name:
            raise DataError(f"{table} has features of {name} twice, in small and in capital letters. Keep one of both.")
        by_name[name] = _numbers(array, f"{table}, {given}")
    return by_name


def _numbers(array: NDArray[Any], where: str) -> Floats:
    """Return an array as float32. Raises DataError unless it is of numbers and has one to three axes."""
    if array.dtype.kind not in "fiu" or not 1 <= array.ndim <= 3 or not array.size:
        raise DataError(
            f"{where} is an array {array.shape} of {array.dtype}. Numbers are allowed, (dim,) for a vector, (time, "
            "dim) or (time, band, dim) for frames."
        )
    with np.errstate(over="ignore"):  # what does not fit into float32 is infinite, and refused below
        return np.ascontiguousarray(array, np.float32)


def _check_alike(vectors: Mapping[str, Floats], table: Path) -> None:
    """Raise DataError unless all arrays are finite, and of one width."""
    (first, like), *_ = vectors.items()
    wrong = [name for name, array in vectors.items() if _width(array) != _width(like)]
    if wrong:
        raise DataError(
            f"{table}: {wrong[0]} has features {vectors[wrong[0]].shape}, and {first} {like.shape}"
            f"{f'; so have {len(wrong) - 1} more' if len(wrong) > 1 else ''}. All must have the same number of values "
            "in a vector (and bands in a frame): compute them by one model, one layer and one pooling."
        )
    infinite = [name for name, array in vectors.items() if not np.isfinite(array).all()]
    if infinite:
        raise DataError(
            f"{table}: the features of {len(infinite)} recordings hold NaN or infinite values, the first: "
            f"{infinite[0]}. Repair them where they were computed; silence is often the cause."
        )


def _width(array: Floats) -> tuple[int, ...]:
    """Return (dim,), or (bands, dim)."""
    return array.shape[1:] if array.ndim == 3 else (1, array.shape[-1])


def _from_parquet(table: Path) -> Vectors:
    try:
        frame = read_foreign_parquet(table)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{table} cannot be read as Parquet ({str(error).splitlines()[0]}). Allowed is {HOW}."
        ) from None
    frame = frame.with_columns(selectors.by_dtype(pl.Categorical, pl.Enum).cast(pl.String))
    names, digests = _names(frame, table)
    arrays = _arrays(frame, table)
    return Vectors(dict(zip(names, arrays, strict=True)), digests)


def _names(frame: pl.DataFrame, table: Path) -> tuple[list[str], dict[str, str] | None]:
    """Return the name of every row, and {name: digest} of a table that has both."""
    digest = next((name for name in DIGESTS if name in frame.columns), None)
    named = next((name for name in NAMES if frame.schema.get(name) == pl.String), None)
    key = named or digest
    if digest is not None and frame.schema[digest] != pl.String:
        raise DataError(
            f"{table}, column {digest!r} holds {frame.schema[digest]}. The SHA-256 of a file is allowed as text, 64 "
            "hexadecimal digits: bytes.hex() writes them."
        )
    if key is None:
        raise DataError(
            f"{table} names no recordings: its columns are {', '.join(frame.columns)}. Call the column of clip names "
            "'clip', or that of the SHA-256 of their files 'audio_sha256'."
        )
    names = names_of(frame, key, table) if named else frame[key].str.to_lowercase()
    if names.null_count() or names.n_unique() < len(names):
        twice = names.filter(names.is_duplicated())
        what = f"{twice[0]} has two rows" if len(twice) and twice[0] else "a row has no name"
        raise DataError(
            f"{table}, column {key!r}: {what}. Give each clip one row; of clips cut from one recording, columns "
            "'start' and 'end' (or 'length'), in seconds, say which a row is of."
        )
    of_names = dict(zip(names, frame[digest].str.to_lowercase(), strict=True)) if named and digest else None
    if wrong := [value for value in (of_names or {}).values() if not DIGEST.fullmatch(value or "")]:
        raise DataError(
            f"{table}, column {digest!r}: {wrong[0]!r} is not the SHA-256 of a file, 64 hexadecimal digits. Repair or "
            "leave out the column; clip names are enough with --data."
        )
    return names.to_list(), of_names


def _arrays(frame: pl.DataFrame, table: Path) -> list[Floats]:
    """Return the array of every row of a Parquet table."""
    lists = [column for column in frame.columns if isinstance(frame.schema[column], pl.List | pl.Array)]
    shaped = {"shape", "values"} <= set(lists)
    columns = ["values"] if shaped else lists
    if len(columns) != 1:
        columns_seen = f"{len(columns)} columns of lists ({', '.join(columns)})" if columns else "no column of lists"
        raise DataError(
            f"{table} has {columns_seen}. One is allowed: the vector of each clip, or lists of vectors for frames."
        )
    arrays = rows_of_lists(frame[columns[0]], f"{table}, column {columns[0]!r}")
    if not shaped:
        return arrays
    try:
        shaped_arrays = [array.reshape(shape) for array, shape in zip(arrays, frame["shape"].to_list(), strict=True)]
    except (TypeError, ValueError) as error:
        raise DataError(f"{table}: 'shape' does not fit 'values' ({error}). Write both from the same array.") from None
    return [_numbers(array, f"{table}, a row") for array in shaped_arrays]


def rows_of_lists(column: pl.Series, where: str) -> list[Floats]:
    """Return the array of every row of a column of (nested) lists of numbers.

    Parameters
    ----------
    column : polars.Series
        Lists or arrays, up to three deep. Only the outermost length may differ between rows.
    where : str
        What messages call it.

    Returns
    -------
    list of (dim,), (time, dim) or (time, band, dim) float32 arrays

    Raises
    ------
    DataError
        If a row is empty or null, holds anything but numbers, or rows differ in length.
    """
    lengths = _lengths(column, where)
    block = _block(column.explode(empty_as_null=True), where)
    if (lengths == lengths[0]).all():
        return list(block.reshape(len(column), lengths[0], *block.shape[1:]))
    return np.split(block, np.cumsum(lengths)[:-1])


def _lengths(column: pl.Series, where: str) -> NDArray[np.int64]:
    as_list = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    lengths = as_list.list.len()
    if lengths.null_count() or not len(lengths) or not lengths.min():
        raise DataError(f"{where}: a row is empty or null. Give every recording its features, or leave out its row.")
    return lengths.to_numpy().astype(np.int64)


def _block(flat: pl.Series, where: str) -> Floats:
    """Return rows of equal shape as one array."""
    if isinstance(flat.dtype, pl.List | pl.Array):
        lengths = _lengths(flat, where)
        if (lengths != lengths[0]).any():
            raise DataError(
                f"{where}: the lists in a list have {lengths.min()} to {lengths.max()} values. Frames of a clip have "
                "one length each."
            )
        inner = _block(flat.explode(empty_as_null=True), where)
        return inner.reshape(len(flat), lengths[0], *inner.shape[1:])
    if flat.null_count() or not flat.dtype.is_numeric():
        what = f"{flat.null_count()} values are null" if flat.null_count() else f"the values are {flat.dtype}"
        raise DataError(f"{where}: {what}. Numbers are allowed, float32 at best.")
    with np.errstate(over="ignore"):  # as in _numbers
        return np.ascontiguousarray(flat.to_numpy(), np.float32)
