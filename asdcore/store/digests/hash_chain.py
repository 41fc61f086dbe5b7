"""A tamper-evident log: JSON lines, each with the digest of everything before it.

    {..., "hash": "<SHA-256>", ..., "previous": "<SHA-256>", ...}

A line is the canonical JSON (RFC 8785) of one entry. ``hash`` is the SHA-256 of that text without the key itself.
``previous`` is the SHA-256 of the bytes from the start of the chained line before it (of the file, for the first) to
its own start: thus also of what lies between, such as lines of an older version, or one that a kill cut short. A line
that was edited, removed, added or moved breaks the chain at a line that :func:`read_chain` names.

A chain does not show that its end is missing. For that, a file beside it (:func:`head_of`) keeps the number and the
hash of the last entry. It is written after the line, so a kill between the two leaves it one behind, never ahead.
Rewriting both the chain from one line on and the head leaves no trace in either: only a hash kept elsewhere shows it,
such as one that was committed, sent or frozen with a manifest.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any

from asdcore.basics.parse import parse_json
from asdcore.errors import StoreError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.disk.atomic import write_json

HASH, PREVIOUS, FOUND = "hash", "previous", "found"
"""Keys of an entry that belong to the chain; ``found`` holds a problem with the end before the entry."""


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, its entry (empty if it is unreadable or was edited), and whether it is chained.

    A line outside the chain was written by an older version, or cut short.
    """

    number: int
    entry: Mapping[str, Any]
    chained: bool


@dataclass(frozen=True)
class Chain:
    """All lines of a log, and everything that shows tampering or damage."""

    lines: tuple[Line, ...]
    broken: tuple[str, ...]
    cut: str | None

    @property
    def problems(self) -> list[str]:
        """The problems, each with the number of its line; empty if the log is intact."""
        noted = [
            f"line {line.number} was written when this was found: {text}"
            for line in self.chained
            for text in (line.entry[FOUND] if isinstance(line.entry.get(FOUND), list) else [])
        ]
        return [*self.broken, *noted, *([self.cut] if self.cut else [])]

    @cached_property
    def chained(self) -> list[Line]:
        """The lines that are part of the chain."""
        return [line for line in self.lines if line.chained]

    @property
    def head(self) -> dict[str, Any]:
        """The number of entries and the hash of the last (null without entries): what to keep elsewhere."""
        last = self.chained[-1].entry[HASH] if self.chained else None
        return {"entries": len(self.chained), HASH: last}


def head_of(log: Path) -> Path:
    """Return the file beside a log that keeps its last entry's number and hash."""
    return log.with_suffix(".head.json")


def append(log: Path, make: Callable[[Chain], Mapping[str, Any]]) -> Line:
    """Append the entry that ``make`` returns for the log as it is; one writer at a time. Returns the new line.

    The entry is on the disk when this returns. If writing fails (StoreError), nothing of it stays.
    """
    with _trouble("write", log), _held(log) as file:
        content = file.readall()
        chain = _read(content, _head(log))
        if not chain.chained and not head_of(log).exists():
            write_json(head_of(log), chain.head)  # else a kill before the second one would look like a lost head
        gap = b"\n" if content and not content.endswith(b"\n") else b""
        previous = hashlib.sha256((content + gap)[_last_start(content) :]).hexdigest()
        body = {**make(chain), PREVIOUS: previous, **({FOUND: [chain.cut]} if chain.cut else {})}
        entry = {**body, HASH: _digest(body)}
        _write(file, gap + canonical_json(entry) + b"\n", len(content))
        write_json(head_of(log), {"entries": len(chain.chained) + 1, HASH: entry[HASH]})
    return Line(len(chain.lines) + 1, entry, True)


def read_chain(log: Path) -> Chain:
    """Read a log and check every link; a log that does not exist has no lines."""
    with _trouble("read", log):
        _check_regular(log)
        if not log.exists():
            return _read(b"", _head(log))
        with log.open("rb") as file:
            _lock(file.fileno(), fcntl.LOCK_SH)  # not between a line and its head
            return _read(file.read(), _head(log))


def _read(content: bytes, head: Any) -> Chain:
    """Check the links of a log's bytes, and its end against the head (None: there is no head file)."""
    lines: list[Line] = []
    broken: list[str] = []
    since = 0  # where the last chained line starts
    doubted = False  # whether that line has been called broken already
    for number, (start, raw) in enumerate(_lines(content), 1):
        entry = _entry(raw)
        chained = _is_chained(entry)
        edited = chained and not _is_own(entry, raw)
        # The content of an edited line is not trusted: only its place in the chain is kept.
        lines.append(Line(number, {key: entry[key] for key in (HASH, PREVIOUS)} if edited else entry, chained))
        if not chained:
            continue
        if edited:
            broken.append(f"line {number} has been edited")
        elif not doubted and entry[PREVIOUS] != hashlib.sha256(content[since:start]).hexdigest():
            broken.append(f"line {number} does not follow what stands before it: edited, removed, added or moved")
        since, doubted = start, edited
    if any(line.chained for line in lines) and not lines[-1].chained and content.endswith(b"\n"):
        broken.append(f"line {len(lines)} is not an entry of this log: edited or added")
    return Chain(tuple(lines), tuple(broken), _end(lines, head))


def _end(lines: list[Line], head: Any) -> str | None:
    """Return what is wrong with the end of the chain, or None."""
    hashes = [line.entry[HASH] for line in lines if line.chained]
    if head is None:
        return f"the head file is gone, so lines after line {len(lines)} may be too" if hashes else None
    try:
        count, last = int(head["entries"]), head[HASH]
    except (TypeError, KeyError, ValueError):
        return "the head file cannot be read, so lines at the end may be missing"
    if count and (count > len(hashes) or hashes[count - 1] != last):
        return f"the end is not what it was: entry {count} was {str(last)[:12]}, and {len(hashes)} entries are here"
    return None


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (start, bytes with the line feed) of every line."""
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start) + 1 or len(content)
        yield start, content[start:stop]
        start = stop


def _last_start(content: bytes) -> int:
    """Return where the last chained line starts; 0 if there is none."""
    return max((start for start, raw in _lines(content) if _is_chained(_entry(raw))), default=0)


def _entry(raw: bytes) -> dict[str, Any]:
    try:
        entry = parse_json(raw)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_chained(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get(HASH), str) and isinstance(entry.get(PREVIOUS), str)


def _is_own(entry: Mapping[str, Any], raw: bytes) -> bool:
    """Whether a line is the canonical text of its entry and the entry has the hash that it names."""
    try:
        return raw == canonical_json(entry) + b"\n" and entry[HASH] == _digest(entry)
    except ValueError:
        return False


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json({key: value for key, value in entry.items() if key != HASH})).hexdigest()


def _head(log: Path) -> Any:
    """Return the content of the head file: None if there is no file, "" if it is unreadable."""
    try:
        _check_regular(head_of(log))
        return parse_json(head_of(log).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, NotADirectoryError):
        return ""


@contextmanager
def _held(log: Path) -> Iterator[FileIO]:
    """Open a log for one writer at a time, positioned at its start; writing appends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    _check_regular(log)
    with log.open("ab+", buffering=0) as file:
        _lock(file.fileno(), fcntl.LOCK_EX)
        file.seek(0)
        yield file


@contextmanager
def _trouble(what: str, log: Path) -> Iterator[None]:
    """Turn an operating system's error into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"Cannot {what} the log {log}: {error.strerror}. Choose a store that you may write, with ASDCORE_STORE."
        ) from error


def _check_regular(path: Path) -> None:
    """Raise OSError for anything but a regular file, such as a pipe, which may never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file")


def _lock(file: int, how: int) -> None:
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, how)


def _write(file: FileIO, line: bytes, before: int) -> None:
    """Write a line and wait until the disk has it; on failure remove what was written of it."""
    try:
        written = file.write(line)
        if written != len(line):
            written += file.write(line[written:])  # says why there is no room
        os.fsync(file.fileno())
    except OSError:
        file.truncate(before)
        raise
