"""Names the parts of recordings that a table of features gives in columns: path, start, end or length, channel."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.recording_parts import part_name, seconds_text
from asdcore.errors import DataError

LENGTH = "length"
PART = ("start", "end", "channel", "rate", "unit")
"""Columns that a table of clips has, too: docs/recordings.md says what they mean."""


def names_of(frame: pl.DataFrame, column: str, table: Path) -> pl.Series:
    """Return the name of the clip that each row is of.

    Parameters
    ----------
    frame : polars.DataFrame
        The table. Columns of :data:`PART`, or ``length`` (seconds, in place of ``end``), say which part of the file a
        row is of; a name that has '#' already is taken as it is.
    column : str
        The column of names.
    table : pathlib.Path
        What messages call it.

    Returns
    -------
    polars.Series of str

    Raises
    ------
    DataError
        If a time is no number of seconds, a rate or counted channel is no whole number from 1 on, or a row has both an
        end and a length.

    Examples
    --------
    >>> frame = pl.DataFrame({"path": ["a.wav", "a.wav"], "start": [0.0, 2.5], "length": [2.5, 2.5]})
    >>> names_of(frame, "path", Path("table.parquet")).to_list()
    ['a.wav#t=0-2.5', 'a.wav#t=2.5-5']
    """
    columns = [name for name in (*PART, LENGTH) if name in frame.columns]
    if not columns:
        return frame[column]
    names = []
    for number, (name, *cells) in enumerate(frame.select(column, *columns).iter_rows(), start=1):
        cell = {key: value for key, value in zip(columns, cells, strict=True) if value not in (None, "")}
        try:
            names.append(name if name is None or "#" in name or not cell else _name(name, **cell))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{table}, row {number} ({name}): {error}. Columns that say which part of a recording a row is of hold "
                "numbers: 'start' and 'end' or 'length' in seconds, 'rate' in Hz. Repair or leave them out."
            ) from None
    return pl.Series(column, names, pl.String)


def _name(path: str, length: Any = None, rate: Any = None, channel: Any = None, **part: Any) -> str:
    if length is not None:
        if "end" in part:
            raise ValueError("it has an end and a length")
        part["end"] = seconds_text(Decimal(seconds_text(part.get("start", 0))) + Decimal(seconds_text(length)))
    if isinstance(channel, float):
        channel = _whole("channel", channel)
    return part_name(path, channel=channel, rate=None if rate is None else _whole("rate", rate), **part)


def _whole(column: str, value: Any) -> int:
    """Return a whole number, which pandas writes as a float where a column has empty cells."""
    number = float(value)
    if not number.is_integer() or number < 1:
        raise ValueError(f"its {column} is {value}; allowed are whole numbers from 1 on")
    return int(number)
