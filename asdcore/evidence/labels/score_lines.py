"""Reads score and decision files strictly: lines ``<clip>,<value>`` and nothing else, with all faults at once.

The official evaluators sort the lines and pair them off with the sorted labels. So some faults crash them and others
give a wrong score in silence: a byte-order mark turns the first line into the last one, a doubled name shifts all lines
after it. Lines may end in LF or CRLF, and the last line may lack its end: the evaluators read all of these alike.
Everything else is a problem that names file and line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

BOM = "\ufeff"
SHOWN = 60  # characters of a line that a message repeats

V = TypeVar("V", bound=float)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Problem:
    """A fault of a file: its line (None for the file as a whole), what was found, and what is allowed."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{place(self.file, self.line)}: {self.reason}."


@dataclass(frozen=True)
class Column(Generic[V]):
    """The second field of a line: its name, its parser (which gives None for a wrong text), and what is allowed."""

    name: str
    parse: Callable[[str], V | None]
    allowed: str


@dataclass(frozen=True)
class Row(Generic[V]):
    """One line. ``value`` is None if the line has a problem but names its clip."""

    file: str
    line: int
    clip: str
    value: V | None


def place(file: str, line: int | None) -> str:
    """Return file and line as messages show them."""
    return file if line is None else f"{file}, line {line}"


def utf8(content: bytes, file: str) -> str | Problem:
    """Return the text of a file, or a problem if it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Problem(file, line, f"found the byte 0x{content[error.start]:02x}; allowed is UTF-8 text")


def _score(text: str) -> float | None:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


SCORE = Column("score", _score, "a finite number (and no header line)")
DECISION = Column("decision", {"0": 0, "1": 1}.get, "0 or 1 (and no header line)")


def read_rows(content: bytes, file: str, column: Column[V]) -> tuple[list[Row[V]], list[Problem]]:
    """Read a file's bytes as rows. ``file`` is how messages name it."""
    text = utf8(content, file)
    if isinstance(text, Problem):
        return [], [text]
    rows: list[Row[V]] = []
    problems = []
    if text.startswith(BOM):
        problems.append(Problem(file, 1, "found a byte-order mark; allowed is UTF-8 without one"))
    for number, ended in enumerate(text.removeprefix(BOM).removesuffix("\n").split("\n"), start=1):
        line = ended.removesuffix("\r")
        fields = line.split(",")
        reasons = list(_faults(line, fields, column))
        problems += [Problem(file, number, reason) for reason in reasons]
        if line.strip():
            value = None if reasons else column.parse(fields[1])
            rows.append(Row(file, number, fields[0].strip(), value))
    return rows, problems


def once(rows: Iterable[Row[V]]) -> tuple[dict[str, Row[V]], list[Problem]]:
    """Return {clip: its first row}, and a problem for every row that repeats a clip."""
    first: dict[str, Row[V]] = {}
    problems = []
    for row in rows:
        earlier = first.setdefault(row.clip, row)
        if earlier is not row:
            where = place(earlier.file, earlier.line)
            problems.append(Problem(row.file, row.line, f"found {row.clip!r} again, first in {where}; allowed is once"))
    return first, problems


def _faults(line: str, fields: list[str], column: Column[V]) -> Iterator[str]:
    """Yield the faults of one line; a blank line, or one with other columns, has no further fault."""
    shown = repr(line[:SHOWN]) + ("..." if len(line) > SHOWN else "")
    if not line.strip():
        yield f"found a blank line; allowed are lines <clip>,<{column.name}>"
    elif "\r" in line:
        yield f"found a carriage return in {shown}; allowed are lines that end with LF or CRLF"
    elif len(fields) != 2:
        yield f"found {len(fields)} columns ({shown}); allowed are two, <clip>,<{column.name}>"
    else:
        clip, value = (field.strip() for field in fields)
        if [clip, value] != fields:
            yield f"found {shown}; spaces around a name or a value are not allowed"
        if column.parse(value) is None:
            yield f"found {value[:SHOWN]!r} as the {column.name}; allowed is {column.allowed}"
