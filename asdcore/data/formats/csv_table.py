"""Reads tables of samples in CSV by polars: a column is a channel, a row a moment.

The first line may name the columns, with units in brackets (``Accel X [g]``) or in a line of their own below. A column
whose unit is one of time, such as ``time [s]`` or ``t (ms)``, or that holds dates with times under the name ``time`` or
``timestamp``, gives the rate by its steps. A column without any number is not a channel. Commas, semicolons and tabs
separate, and numbers may have a decimal comma beside semicolons and tabs. Lines at the beginning that are empty or
begin with ``#`` or ``%``, and ``sep=;``, are passed over. A table is read whole: long recordings need another format.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.table_files import read_csv
from asdcore.data.formats.channels import Channel
from asdcore.data.formats.csv_head import Head, head_of
from asdcore.data.formats.time_stamps import SECONDS, rate_of
from asdcore.errors import DataError

_UNIT = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*")
_TIME = ("time", "t", "timestamp")
_DATE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"


class _Column(NamedTuple):
    """A column: its name and unit, its text, its numbers (NaN for what is none), and what is wrong with it."""

    name: str
    unit: str
    text: pl.Series
    values: NDArray[np.float64]
    trouble: str


class CsvRecording:
    """A table of samples, in memory."""

    def __init__(self, path: Path) -> None:
        head = head_of(path)
        table = _table(path, head)
        columns = [_column(table[name], head, number) for number, name in enumerate(table.columns)]
        time = next((column for column in columns if _is_time(column)), None)
        rate, trouble = (None, "") if time is None else _rate(time)
        columns = [column for column in columns if column is not time and column.text.null_count() < column.text.len()]
        self._columns = [column for column in columns if _is_sound(column)]
        self.others = {
            column.name: f"a column without a number: it {column.trouble}"
            for column in columns
            if not _is_sound(column)
        }
        if not self._columns and not self.others:
            raise DataError("has no column of numbers; commas, semicolons and tabs separate columns")
        self.channels = [
            Channel(column.name, rate, column.unit, len(column.values), number, trouble or column.trouble)
            for number, column in enumerate(self._columns)
        ]

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        column: _Column = self._columns[channel.key]
        return column.values[start:stop]

    def close(self) -> None:
        """Let the table go."""
        self._columns = []


def _table(path: Path, head: Head) -> pl.DataFrame:
    """Read the rows below the head as text, without empty ones at the end; raises DataError if their lengths differ."""
    try:
        table = read_csv(
            path,
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
    filled = table.select(pl.any_horizontal(pl.all().is_not_null()))[:, 0].arg_true()
    if filled.is_empty():
        raise DataError("has no rows of numbers")
    return table.head(int(filled[-1]) + 1)


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


def _column(text: pl.Series, head: Head, number: int) -> _Column:
    text = text.str.strip_chars()
    has_comma = head.separator != "," and not text.str.contains(".", literal=True).any()
    values = (text.str.replace(",", ".", literal=True) if has_comma else text).cast(pl.Float64, strict=False)
    trouble = ""
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        what = "nothing" if text[row] is None else repr(text[row])
        trouble = f"has {what} in row {row + 1 + head.lines}, and a number is allowed"
    name, unit = _name_and_unit(head.names[number])
    unit = head.units[number] if head.units else unit
    return _Column(name, unit, text, values.fill_null(float("nan")).to_numpy(), trouble)


def _name_and_unit(title: str) -> tuple[str, str]:
    """Return the name and the unit that the title of a column says."""
    match = _UNIT.fullmatch(title)
    return (match["name"], match["unit"].strip()) if match else (title, "")


def _is_sound(column: _Column) -> bool:
    """Whether a column has a number, or what is meant as one (1.234,5)."""
    return not np.isnan(column.values).all() or bool(column.text.str.contains(r"^[-+\d.,' ]*\d$").any())


def _is_time(column: _Column) -> bool:
    """Whether a column says when its row was measured."""
    return column.unit.lower() in SECONDS or column.name.lower() in _TIME


def _rate(time: _Column) -> tuple[float | None, str]:
    """Return the sample rate in Hz of a column of time, and what is wrong with it."""
    scale, stamps, trouble = SECONDS.get(time.unit.lower()), time.values, time.trouble
    if time.text.str.contains(_DATE).any():
        moments = time.text.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
        since = moments.dt.epoch("ns") - moments.dt.epoch("ns").drop_nulls()[0]
        stamps, scale = since.cast(pl.Float64).fill_null(float("nan")).to_numpy(), 1e-9
        trouble = "has rows without a date" if moments.null_count() else ""
    if trouble:
        return None, f"has no time everywhere: {time.name} {trouble}"
    rate, uneven = rate_of([(0, stamps * (scale or 1.0))], len(stamps) - 1)
    if uneven.startswith("is sampled unevenly") and scale is None:  # it says seconds, and the unit is unknown
        uneven = f"is sampled unevenly by its column {time.name}"
    return (None if scale is None else rate), uneven


open_file = CsvRecording
