"""Finds out how a table of samples is written: its separator, the names of its columns, and where its numbers begin."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from asdcore.errors import DataError

SEPARATORS = ",;\t"

PASSED_OVER = ("#", "%")
"""How lines before the first begin that are no rows."""

HEAD = 1 << 16
"""Characters that are looked at."""


class Head(NamedTuple):
    """What stands above the numbers. units : one for each column, or empty. lines : how many stand above."""

    separator: str
    names: list[str]
    units: list[str]
    lines: int


def head_of(path: Path) -> Head:
    """Return the head of a table; columns without names have their number, counted from 1.

    Raises DataError if there is no row, or it is not text in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = file.read(HEAD).splitlines()
    except UnicodeDecodeError:
        raise DataError("is not text in UTF-8. Save it as 'CSV UTF-8'") from None
    above, separator = _passed_over(lines)
    lines = lines[above:]
    if not lines:
        raise DataError("has no rows")
    separator = separator or _separator(lines[0])
    first, second = (_cells(lines, number, separator) for number in (0, 1))
    if any(map(_is_number, first)):
        return Head(separator, [str(number) for number in range(1, len(first) + 1)], [], above)
    if len(second) == len(first) and any(second) and not any(any(map(str.isdecimal, cell)) for cell in second):
        return Head(separator, first, [cell.strip("[]() ") for cell in second], above + 2)
    return Head(separator, first, [], above + 1)


def _passed_over(lines: list[str]) -> tuple[int, str]:
    """Return how many lines at the begin are no rows, and the separator that one of them names, "" if none does."""
    separator = ""
    for number, line in enumerate(lines):
        if line.lower().startswith("sep=") and line[4:] in tuple(SEPARATORS):
            separator = line[4:]
        elif line.strip() and not line.startswith(PASSED_OVER):
            return number, separator
    return len(lines), separator


def _separator(line: str) -> str:
    """Return the separator that stands most often in a line, outside quotes."""
    bare = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=bare.count)


def _cells(lines: list[str], number: int, separator: str) -> list[str]:
    row = lines[number : number + 1]
    return [cell.strip() for cell in next(csv.reader(row, delimiter=separator), [])]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
