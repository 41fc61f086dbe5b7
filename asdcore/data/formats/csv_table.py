"""Reads tables of samples in CSV: a column is a channel, a row a moment.

The first line may name the columns, with units in brackets (``Accel X [g]``) or in a line of their own below. A column
whose unit is one of time, such as ``time [s]`` or ``t (ms)``, or that holds dates with times under the name ``time`` or
``timestamp``, gives the rate by its steps. A column without any number is not a channel. Commas, semicolons and tabs
separate, and numbers may have a decimal comma beside semicolons and tabs. Lines at the beginning that are empty or
begin with ``#`` or ``%``, and ``sep=;``, are passed over. A table is read batch by batch when it is opened, and its
numbers lie in a temporary file from 32 MB on.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.data.formats.csv_columns import Columns, Stretches
from asdcore.data.formats.csv_head import Head, head_of
from asdcore.data.formats.time_stamps import SECONDS, rate_of
from asdcore.errors import DataError

_UNIT = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*")
_TIME = ("time", "t", "timestamp")

IN_MEMORY = 1 << 25
"""Bytes of numbers from which on they lie in a file."""


class CsvRecording:
    """A table of samples."""

    def __init__(self, path: Path) -> None:
        head = head_of(path)
        with ExitStack() as stack:
            file: Any = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
            self.others: dict[str, str] = {}
            self.channels = self._opened(path, head, file)
            if not self.channels and not self.others:
                raise DataError("has no column of numbers; commas, semicolons and tabs separate columns")
            stack.pop_all()

    def _opened(self, path: Path, head: Head, file: IO[bytes]) -> list[Channel]:
        """Read the table, and return the channels; columns without a number are among the others."""
        titles = [_title(head, number) for number in range(len(head.names))]
        time = next((number for number, title in enumerate(titles) if _is_time(*title)), None)
        self._columns = Columns(path, head, time, file)
        rate, trouble = (None, "") if time is None else _rate(self._columns, time, *titles[time])
        channels = []
        for number, column in enumerate(self._columns.columns):
            name, unit = titles[number]
            if number == time or not column.filled:
                continue
            if column.numbered or column.meant:
                n_rows = self._columns.n_rows
                channels.append(Channel(name, rate, unit, n_rows, number, trouble or column.trouble))
            else:
                self.others[name] = f"a column without a number: it {column.trouble}"
        return channels

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        return self._columns.read(channel.key, start, stop)

    def close(self) -> None:
        """Let the table go."""
        self._columns.close()


def _title(head: Head, number: int) -> tuple[str, str]:
    """Return the name and the unit of a column."""
    match = _UNIT.fullmatch(head.names[number])
    name, unit = (match["name"], match["unit"].strip()) if match else (head.names[number], "")
    return name, head.units[number] if head.units else unit


def _is_time(name: str, unit: str) -> bool:
    """Whether a column says when its row was measured."""
    return unit.lower() in SECONDS or name.lower() in _TIME


def _rate(columns: Columns, number: int, name: str, unit: str) -> tuple[float | None, str]:
    """Return the sample rate in Hz of a column of time, and what is wrong with it."""
    column = columns.columns[number]
    scale = 1e-9 if column.dated else SECONDS.get(unit.lower())
    if column.trouble:
        return None, f"has no time everywhere: {name} {column.trouble}"
    rate, uneven = rate_of(Stretches(columns, number, scale or 1.0), columns.n_rows - 1)
    if uneven.startswith("is sampled unevenly") and scale is None:  # it says seconds, and the unit is unknown
        uneven = f"is sampled unevenly by its column {name}"
    return (None if scale is None else rate), uneven


open_file = CsvRecording
