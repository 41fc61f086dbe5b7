"""Reads a table of text as spreadsheets write it: with a comma, a semicolon or a tab, and any end of line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl

from asdcore.basics.paths import finite


def read_spreadsheet(path: Path) -> pl.DataFrame:
    r"""Return a CSV file that a person made, every cell as text.

    Lines may end as on Unix, as on Windows, or with a carriage return alone, as spreadsheets of a Mac write it.

    Parameters
    ----------
    path : Path
        Text in UTF-8, with or without a mark at its start. The first line names the columns.

    Returns
    -------
    polars.DataFrame
        The names of its columns are in small letters and without spaces around them. An empty cell is null.

    Raises
    ------
    ValueError, OSError
        If it is no table, or no text in UTF-8, with what to do in words that fit into brackets.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("clips.csv").write_bytes(b"Path;Machine\ra.wav;pump\r")
    >>> asdcore.read_spreadsheet(Path("clips.csv")).rows(named=True)
    [{'path': 'a.wav', 'machine': 'pump'}]
    """
    try:
        text = finite(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError("it is not text in UTF-8: save it as 'CSV UTF-8'")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        table = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False, separator=separator)
        return table.rename({name: name.strip().lower() for name in table.columns})
    except pl.exceptions.PolarsError as error:
        raise ValueError(_long_row(text, separator) or str(error).splitlines()[0]) from error


def _long_row(text: str, separator: str) -> str:
    """Say which row has more cells than the first, "" if none has."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = len(next(rows, []))
    for number, cells in enumerate(rows, start=2):
        if len(cells) > columns:
            return f"row {number} has {len(cells)} cells, and the first {columns}; quote a cell with a separator in it"
    return ""
