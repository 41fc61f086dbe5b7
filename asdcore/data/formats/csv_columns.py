"""The columns of a table of samples: read from a CSV of any size by polars, batch by batch, and kept as numbers.

What a column holds hangs on all of its rows (a point anywhere says that its commas are none of decimals), so the table
is read twice: first its text is looked over, then its numbers are taken. They lie in a temporary file if they are many.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.table_files import csv_in_batches
from asdcore.data.formats.csv_head import Head
from asdcore.errors import DataError

ROWS = 1 << 16
"""Rows that are read at once."""

_DATE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
_MEANT = r"^[-+\d.,' ]*\d$"

Floats = NDArray[np.float64]


@dataclass
class Column:
    """What is found in a column. The first four are of its text.

    filled : whether any cell is. dotted : whether any has a point. dated : whether any is a date with a time. meant :
    whether any is meant as a number, such as 1.234,5. numbered : whether any is a number. trouble : what is wrong with
    the first cell that is none, "" if all are.
    """

    filled: bool = False
    dotted: bool = False
    dated: bool = False
    meant: bool = False
    numbered: bool = False
    trouble: str = ""

    def look_over(self, text: pl.Series) -> None:
        """Take in some of its text."""
        self.filled = self.filled or text.null_count() < text.len()
        self.dotted = self.dotted or bool(text.str.contains(".", literal=True).any())
        self.dated = self.dated or bool(text.str.contains(_DATE).any())
        self.meant = self.meant or bool(text.str.contains(_MEANT).any())


class Columns:
    """The columns of a table as numbers, in a temporary file once they are many.

    Parameters
    ----------
    path : pathlib.Path
        The table.
    head : Head
        How it is written.
    time : int or None
        The column that is read as dates with times if it holds such: as nanoseconds since the first one.
    file : binary file
        Empty, and this object's own.

    Raises
    ------
    DataError
        If the table has no row, or rows of more cells than its first.
    """

    def __init__(self, path: Path, head: Head, time: int | None, file: IO[bytes]) -> None:
        self._file, self._head = file, head
        self.columns = [Column() for _ in head.names]
        self.n_rows = self._look_over(path)
        if not self.n_rows:
            raise DataError("has no rows of numbers")
        self._dates = time if time is not None and self.columns[time].dated else None
        self._begin: int | None = None
        self._starts = [0]
        for table in _batches(path, head):
            self._keep(table.head(self.n_rows - self._starts[-1]))

    def _look_over(self, path: Path) -> int:
        """Look over the text, and return how many rows there are without empty ones at the end."""
        rows, n_rows = 0, 0
        for table in _batches(path, self._head):
            for column, name in zip(self.columns, table.columns, strict=True):
                column.look_over(table[name].str.strip_chars())
            filled = table.select(pl.any_horizontal(pl.all().is_not_null()))[:, 0].arg_true()
            n_rows = n_rows if filled.is_empty() else rows + int(filled[-1]) + 1
            rows += table.height
        return n_rows

    def _keep(self, table: pl.DataFrame) -> None:
        for number, name in enumerate(table.columns):
            text = table[name].str.strip_chars()
            values = self._moments(text, number) if number == self._dates else self._numbers(text, number)
            self._file.write(values.fill_null(float("nan")).to_numpy().astype("<f8").tobytes())
        self._starts.append(self._starts[-1] + table.height)

    def _numbers(self, text: pl.Series, number: int) -> pl.Series:
        column = self.columns[number]
        has_comma = self._head.separator != "," and not column.dotted
        values = (text.str.replace(",", ".", literal=True) if has_comma else text).cast(pl.Float64, strict=False)
        if values.null_count() and not column.trouble:
            row = int(values.is_null().arg_max() or 0)
            what = "nothing" if text[row] is None else repr(text[row])
            place = self._starts[-1] + row + 1 + self._head.lines
            column.trouble = f"has {what} in row {place}, and a number is allowed"
        column.numbered = column.numbered or not values.fill_nan(None).is_null().all()
        return values

    def _moments(self, text: pl.Series, number: int) -> pl.Series:
        moments = text.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False).dt.epoch("ns")
        if moments.null_count():
            self.columns[number].trouble = "has rows without a date"
        if self._begin is None and moments.null_count() < moments.len():
            self._begin = int(moments.drop_nulls()[0])
        return (moments - (self._begin or 0)).cast(pl.Float64)

    def read(self, number: int, start: int, stop: int) -> Floats:
        """Return the rows from ``start`` to ``stop`` of a column, NaN for what is no number."""
        parts = [np.empty(0)]
        for first, last in zip(self._starts, self._starts[1:], strict=False):
            low, high = max(start, first), min(stop, last)
            if low < high:
                self._file.seek(8 * (first * len(self.columns) + number * (last - first) + low - first))
                parts.append(np.frombuffer(self._file.read(8 * (high - low)), "<f8"))
        return np.concatenate(parts)

    def close(self) -> None:
        """Let the numbers go."""
        self._file.close()


class Stretches(Sequence[tuple[int, Floats]]):
    """The time stamps of a column in stretches, each with the last one before it, for a rate.

    columns, number : where they are. scale : of a stamp, in seconds.
    """

    def __init__(self, columns: Columns, number: int, scale: float) -> None:
        self._columns, self._number, self._scale = columns, number, scale

    def __len__(self) -> int:
        return -(-self._columns.n_rows // ROWS)

    def __getitem__(self, place: int) -> tuple[int, Floats]:  # type: ignore[override]
        place = range(len(self))[place]
        first = max(0, place * ROWS - 1)
        stamps = self._columns.read(self._number, first, min((place + 1) * ROWS, self._columns.n_rows))
        return first, stamps * self._scale


def _batches(path: Path, head: Head) -> Iterator[pl.DataFrame]:
    """Yield the rows below the head as text; raises DataError if one has more cells than the head."""
    try:
        yield from csv_in_batches(
            path,
            ROWS,
            separator=head.separator,
            has_header=False,
            skip_lines=head.lines,
            schema={str(number): pl.String for number in range(len(head.names))},
            missing_columns="insert",
        )
    except pl.exceptions.NoDataError:
        raise DataError("has no rows of numbers") from None
    except pl.exceptions.PolarsError:
        _check_lengths(path, head)
        raise


def _check_lengths(path: Path, head: Head) -> None:
    """Raise DataError that names the first row with more cells than the head."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(head.lines):
            file.readline()
        for number, cells in enumerate(csv.reader(file, delimiter=head.separator), start=head.lines + 1):
            if len(cells) > len(head.names):
                comma = " A decimal comma needs ';' or tabs between columns." if head.separator == "," else ""
                raise DataError(
                    f"has {len(cells)} cells in row {number}, and {len(head.names)} in its first. Lines before the "
                    f"names of the columns must begin with '#'.{comma}"
                )
