"""Reads tables of samples in CSV by polars: a column is a channel, a row a moment.

The first line may name the columns, with units in brackets: ``Accel X [g]``. If the first column is called ``time`` or
``t`` and its unit says seconds, ``time [s]`` or ``t (ms)``, its steps are the rate. A column without any number is no
channel. Commas, semicolons and tabs separate, and numbers may have a decimal comma beside semicolons and tabs. A table
is read whole: it is no format for long recordings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.data.formats.time_stamps import rate_of
from asdcore.errors import DataError

SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
"""Units of a column of time, in seconds."""

HEAD = 1 << 16
"""Bytes that are looked at to see how a table is written."""

_UNIT = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*")
_TIME = ("time", "t", "timestamp")


class CsvRecording:
    """A table of samples, in memory."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(encoding="utf-8-sig") as file:
                head = file.read(HEAD).splitlines()
        except UnicodeDecodeError:
            raise DataError("is not text in UTF-8. Save it as 'CSV UTF-8'") from None
        if not head:
            raise DataError("has no rows")
        separator = max(",;\t", key=head[0].count)
        has_names = not all(map(_is_number, head[0].split(separator)))
        has_comma = separator != "," and any("," in line for line in head[has_names : has_names + 2])
        table = pl.read_csv(path, separator=separator, has_header=has_names, infer_schema=False).rename(str.strip)
        if not has_names:
            table = table.rename({name: str(number) for number, name in enumerate(table.columns, start=1)})
        read = {name: _numbers(table[name], has_names, has_comma) for name in table.columns}
        self._columns = {name: values for name, (values, _) in read.items() if not np.isnan(values).all()}
        if not self._columns:
            raise DataError("has no column of numbers")
        self.channels = self._channels({name: trouble for name, (_, trouble) in read.items()})

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        return self._columns[channel.key][start:stop]

    def close(self) -> None:
        """Let the table go."""
        self._columns = {}

    def _channels(self, troubles: dict[str, str]) -> list[Channel]:
        """Return the channels. troubles : what is wrong with each column, "" if nothing is."""
        headers = {column: _name_and_unit(column) for column in self._columns}
        first = next(iter(headers))
        rate, trouble = None, ""
        if (name_unit := headers[first])[0].lower() in _TIME:
            del headers[first]
            if (unit := name_unit[1].lower()) in SECONDS:
                stamps = self._columns[first] * SECONDS[unit]
                rate, trouble = rate_of([(0, stamps)], len(stamps) - 1)
                trouble = f"has no time everywhere: {first} {troubles[first]}" if troubles[first] else trouble
        return [
            Channel(name, rate, unit, len(self._columns[column]), column, trouble or troubles[column])
            for column, (name, unit) in headers.items()
        ]


def _name_and_unit(column: str) -> tuple[str, str]:
    """Return the name and the unit that the head of a column says."""
    match = _UNIT.fullmatch(column)
    return (match["name"], match["unit"].strip()) if match else (column, "")


def _numbers(column: pl.Series, has_names: bool, has_comma: bool) -> tuple[NDArray[np.float64], str]:
    """Return a column as numbers, NaN for what is none, and what is wrong with it, "" if nothing is."""
    text = column.str.strip_chars()
    values = (text.str.replace(",", ".", literal=True) if has_comma else text).cast(pl.Float64, strict=False)
    trouble = ""
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        what = "nothing" if text[row] is None else repr(text[row])
        trouble = f"has {what} in row {row + 1 + has_names}, and a number is allowed"
    return values.fill_null(float("nan")).to_numpy(), trouble


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True


open_file = CsvRecording
