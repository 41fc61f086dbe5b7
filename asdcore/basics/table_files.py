"""Reads and writes Parquet and CSV files by the very names that they have.

Polars takes a path for more than a name: ``~`` is the home folder, ``[1]``, ``*`` and ``?`` are patterns that may match
files of other folders, ``file:`` is the beginning of an address, and bytes that are not UTF-8 are no path at all. So it
is given files that are open already.

Of an open file polars makes a memory map. On a network file system a map ends the process (SIGBUS) when another machine
replaces the file, or its server goes. So what a store holds is given as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import finite

ROW_GROUP = 1 << 16
"""Rows that Parquet holds together. Who reads a large table in portions needs memory for one such group."""


@contextmanager
def told_of_damage() -> Iterator[None]:
    r"""Raise PolarsError for all that polars and pyarrow raise of a damaged Parquet file, other than OSError.

    polars panics, which is no Exception, and a changed letter of a name is no UTF-8 to pyarrow.

    Raises
    ------
    polars.exceptions.PolarsError
        If the file is damaged.

    Examples
    --------
    >>> from asdcore.basics.table_files import told_of_damage
    >>> with told_of_damage():
    ...     b"\xff".decode()
    Traceback (most recent call last):
    polars.exceptions.ComputeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, UnicodeDecodeError, pl.exceptions.PanicException) as error:
        raise pl.exceptions.ComputeError(str(error).rstrip(".")) from None  # it becomes part of a sentence


def read_parquet(table: Path | bytes, columns: list[str] | None = None) -> pl.DataFrame:
    """Return the table in a Parquet file that asdcore wrote, or in the bytes of one, or some of its columns.

    pyarrow decodes it. Of some damage polars 2.1 asks for all memory there is, or stops the process.

    Raises
    ------
    polars.exceptions.PolarsError, OSError
        If it is no table, or a damaged one.

    Examples
    --------
    >>> import polars as pl
    >>> from pathlib import Path
    >>> from asdcore.basics.table_files import read_parquet, write_parquet
    >>> write_parquet(pl.DataFrame({"clip": ["a.wav"]}), Path("~.parquet"))
    >>> read_parquet(Path("~.parquet"))["clip"].to_list()
    ['a.wav']
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = table if isinstance(table, bytes) else finite(table).read_bytes()
    with told_of_damage():
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            decoded = file.read(columns, use_threads=False)
        decoded.validate(full=True)  # texts are UTF-8 and lists lie in one another, on which polars relies
        return pl.DataFrame(decoded)


def parquet_in_batches(path: Path, rows: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield a Parquet file, or some of its columns, as pyarrow batches of at most ``rows`` rows, read as it goes.

    Examples
    --------
    >>> import polars as pl
    >>> from pathlib import Path
    >>> from asdcore.basics.table_files import parquet_in_batches, write_parquet
    >>> write_parquet(pl.DataFrame({"x": [1, 2, 3]}), Path("~.parquet"))
    >>> [len(batch) for batch in parquet_in_batches(Path("~.parquet"), 2)]
    [2, 1]
    """
    import pyarrow.parquet

    with told_of_damage(), path.open("rb") as opened, pyarrow.parquet.ParquetFile(opened, pre_buffer=False) as file:
        for batch in file.iter_batches(rows, columns=columns, use_threads=False):
            batch.validate(full=True)
            yield batch


def read_foreign_parquet(path: Path) -> pl.DataFrame:
    """Return the table in a Parquet file that somebody else wrote, or that was on its way here.

    pyarrow goes through it first, and refuses what is damaged: of some damage polars 2.1 asks for all memory there is,
    which ends the process without a word. Raises PolarsError if it is no table.

    Examples
    --------
    >>> import polars as pl
    >>> from pathlib import Path
    >>> from asdcore.basics.table_files import read_foreign_parquet, write_parquet
    >>> write_parquet(pl.DataFrame({"clip": ["a.wav"]}), Path("t.parquet"))
    >>> read_foreign_parquet(Path("t.parquet"))["clip"].to_list()
    ['a.wav']
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = finite(path).read_bytes()
    try:
        with told_of_damage():
            try:
                for _ in pq.ParquetFile(pa.BufferReader(content)).iter_batches():
                    pass
            except pa.ArrowNotImplementedError:
                pass  # a type that polars alone knows
            return pl.read_parquet(content)
    except OSError as error:
        raise pl.exceptions.ComputeError(str(error)) from None


def parquet_schema(path: Path) -> Mapping[str, pl.DataType]:
    """Return {column: type} of a Parquet file; raises PolarsError or OSError if it is none."""
    with told_of_damage():
        return pl.DataFrame(_footer(path).schema.to_arrow_schema().empty_table()).schema


def parquet_metadata(path: Path) -> Mapping[str, str]:
    """Return the texts that a Parquet file holds beside its table; raises PolarsError or OSError if it is none."""
    with told_of_damage():
        texts: Mapping[bytes, bytes] = _footer(path).metadata or {}
        return {key.decode(): text.decode() for key, text in texts.items()}


def _footer(path: Path) -> Any:
    """Return what a Parquet file ends with, its schema among it. polars 2.1 ends the process by some damage."""
    import pyarrow.parquet as pq

    with finite(path).open("rb") as opened:
        return pq.read_metadata(opened)


def csv_in_batches(path: Path, rows: int, **options: Any) -> Iterator[pl.DataFrame]:
    r"""Yield the table in a CSV file, about ``rows`` rows at a time; ``options`` are those of polars' ``scan_csv``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from asdcore.basics.table_files import csv_in_batches
    >>> _ = Path("~.csv").write_text("x\n1\n2\n")
    >>> [batch["x"].to_list() for batch in csv_in_batches(Path("~.csv"), 10)]
    [[1, 2]]
    """
    with path.open("rb") as file:
        yield from pl.scan_csv(file, **options).collect_batches(chunk_size=rows, maintain_order=True, lazy=True)


def write_parquet(frame: pl.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a table as Parquet, the same bytes for the same table."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="zstd", statistics=False, metadata=metadata, row_group_size=ROW_GROUP)


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV."""
    with path.open("wb") as file:
        frame.write_csv(file)
