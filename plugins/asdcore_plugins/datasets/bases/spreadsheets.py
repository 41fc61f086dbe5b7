"""Reads a table of text as spreadsheets write it: with a comma, a semicolon or a tab, and any end of line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl

from asdcore import DatasetError, index_clips


def read_spreadsheet(file: Path) -> pl.DataFrame:
    r"""Return a CSV file, every cell as text or null.

    Lines may end as on Unix, Windows, or the spreadsheets of a Mac, which write a carriage return alone.

    Parameters
    ----------
    file : Path
        Text in UTF-8, with or without a mark at its start. The first line names the columns.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    DatasetError
        If it is not text in UTF-8, as spreadsheets write it if nothing else is chosen.
    ValueError
        If it is no table.

    Examples
    --------
    >>> from pathlib import Path
    >>> from asdcore_plugins.datasets.bases.spreadsheets import read_spreadsheet
    >>> _ = Path("clips.csv").write_bytes(b"path;machine\ra.wav;pump\r")
    >>> read_spreadsheet(Path("clips.csv")).rows(named=True)
    [{'path': 'a.wav', 'machine': 'pump'}]
    """
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DatasetError(
            f"{file} is not text in UTF-8. Save it as 'CSV UTF-8'.", [], index_clips(file.parent, [])
        ) from None
    if "\n" not in text:
        text = text.replace("\r", "\n")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        return pl.read_csv(io.BytesIO(text.encode()), infer_schema=False, separator=separator, encoding="utf8")
    except pl.exceptions.PolarsError as error:
        raise ValueError(_long_row(text, separator) or str(error)) from error


def _long_row(text: str, separator: str) -> str:
    """Say which row has more cells than the first, "" if none has."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = len(next(rows, []))
    for number, cells in enumerate(rows, start=2):
        if len(cells) > columns:
            return f"row {number} has {len(cells)} cells, and the first {columns}; quote a cell with a separator in it"
    return ""
