"""The file in which a monitor keeps all that it did: JSON, one line for each window, recording and note.

The file is the monitor's only memory. A line is written at once, so that a process that is killed at any moment leaves
whole lines and at most one that is cut short; that one is removed, and the monitor goes on behind the last whole one.
A window and the alarm or drift that it makes are one line: neither can be there without the other. Alarms and drift are
not stored besides. They follow from the windows, so they are computed again from these.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from asdcore.errors import DataError, StoreError
from asdcore.store.disk.atomic import disk_trouble
from asdcore.store.disk.file_locks import Lock, take

BEGIN, HEARING, WINDOW, DONE, NOTE = "monitor", "hearing", "window", "recording", "note"
ELSEWHERE = "another file with --log. What was heard is kept: the same command goes on from there"
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What an operating system says of a disk without room, or a quota that is used up."""

SYNC_S = 1.0
"""Seconds of lines that a loss of power may take; an alarm is on disk before anybody hears of it."""


def in_json(line: Mapping[str, Any], *, encoding: str = "utf-8", separators: tuple[str, str] | None = None) -> str:
    r"""Return a line as JSON that an encoding can write: names of files need not be text.

    Examples
    --------
    >>> in_json({"a": "Müller"}), in_json({"a": "M\udcfcller"}) == r'{"a": "M\udcfcller"}'
    ('{"a": "Müller"}', True)
    """
    text = json.dumps(line, ensure_ascii=False, separators=separators)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(line, separators=separators)
    return text


class Journal:
    """A monitor's file, held by this process alone.

    Parameters
    ----------
    path : pathlib.Path
        The file; it may exist, from an earlier monitor of the same settings.
    settings : mapping
        What determines the windows and their judgement; JSON values.
    wait : callable, optional
        Waits for room on a full disk: it is given the problem when it first shows, "" from then on. By default a full
        disk is an error.

    Raises
    ------
    StoreError
        If another process writes to the file, or the disk is full or not writable.
    DataError
        If it is not a monitor's file, or of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], wait: Callable[[str], None] | None = None) -> None:
        self.path, self._wait = path, wait
        with disk_trouble(path, ELSEWHERE):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = take(path)
        if lock is None:
            raise StoreError(f"Another monitor is writing to {path}. Stop it first, or name another file with --log.")
        self._lock: Lock = lock
        self._synced = time.monotonic()
        self._end: int | None = None  # of what this process has written
        self._begun: int | None = None  # the same once the first line of a new file was written
        self._digest, self._digested, self._n_lines = hashlib.blake2b(), 0, 0
        try:
            self._begin(dict(settings))
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Put everything on disk and let go of the file."""
        with disk_trouble(self.path, ELSEWHERE):
            os.fsync(self._lock.descriptor)
        self._lock.release()

    def discard(self) -> None:
        """Remove the file if this process has made it and nothing was heard: it would show nothing."""
        with suppress(OSError):
            if self._begun is not None and self._begun == self.size:
                self._lock.remove()

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return os.fstat(self._lock.descriptor).st_size

    def lines(self, start: int = 0, before: int = 0) -> Iterator[dict[str, Any]]:
        """Yield everything that was written so far, from a byte on that ``before`` lines end at."""
        with self.path.open("rb") as file:
            file.seek(start)
            for number, line in enumerate(file, start=before + 1):
                yield self._read(line, number)

    def prefix(self, length: int) -> tuple[str, int]:
        """Return the digest of the first bytes, and how many lines they are; what was read for it before is kept."""
        if length < self._digested:
            self._digest, self._digested, self._n_lines = hashlib.blake2b(), 0, 0
        with self.path.open("rb") as file:
            file.seek(self._digested)
            while self._digested < length and (content := file.read(min(1 << 20, length - self._digested))):
                self._digest.update(content)
                self._digested += len(content)
                self._n_lines += content.count(b"\n")
        return self._digest.hexdigest(), self._n_lines

    def write(self, kind: str, line: Mapping[str, Any], *, now: bool = False) -> None:
        """Append a line. now : have it on disk when this returns."""
        self._append_when_there_is_room({"kind": kind, **line})
        if now or time.monotonic() - self._synced > SYNC_S:
            with disk_trouble(self.path, ELSEWHERE):
                os.fsync(self._lock.descriptor)
            self._synced = time.monotonic()

    def _read(self, line: bytes, number: int) -> dict[str, Any]:
        """Return what a line says; raises DataError if it was damaged after it was written."""
        try:
            read = json.loads(line)
            if isinstance(read, dict) and "kind" in read:
                return read
        except (ValueError, RecursionError):
            pass
        raise DataError(
            f"{self.path}, line {number}: this is not what a monitor wrote, so what was heard is not certain. Remove "
            "this line and all behind it to hear again what they were about, or name another file with --log."
        )

    def _append_when_there_is_room(self, line: Mapping[str, Any]) -> None:
        """Append a line; on a full disk wait for room, if that was asked for."""
        is_told = False
        while True:
            try:
                return self._append(line)
            except StoreError as error:
                if self._wait is None or getattr(error.__cause__, "errno", None) not in FULL:
                    raise
                self._wait("" if is_told else str(error))
                is_told = True

    def _append(self, line: Mapping[str, Any]) -> None:
        content = (in_json(line, separators=(",", ":")) + "\n").encode()
        end = os.lseek(self._lock.descriptor, 0, os.SEEK_END)
        self._check_untouched(end)
        with disk_trouble(self.path, ELSEWHERE):
            try:
                written = 0
                while written < len(content):
                    written += os.write(self._lock.descriptor, content[written:])
            except OSError:
                os.ftruncate(self._lock.descriptor, end)  # a full disk leaves no half line
                raise
        self._end = end + len(content)

    def _check_untouched(self, end: int) -> None:
        """Raise StoreError if another program has moved the file, or changed its length. end : where it ends now."""
        if not self._lock.is_there():
            what = "was moved or removed"
        elif self._end not in (None, end):
            what = f"has {end} bytes, and {self._end} were written"
        else:
            return
        raise StoreError(
            f"{self.path} {what} while the monitor ran, perhaps by logrotate. It is the memory of the monitor: put it "
            "back, and the same command goes on from there; without it, it begins anew. Leave it out of rotations."
        )

    def _begin(self, settings: dict[str, Any]) -> None:
        """Write the first line of a new file, or compare that of an old one; remove a line that was cut short."""
        content = os.fstat(self._lock.descriptor).st_size
        first = self._first_line()
        if first is None:
            if content and not self._is_cut_short(settings):
                raise DataError(f"{self.path} was not written by a monitor. Name another file with --log.")
            os.ftruncate(self._lock.descriptor, 0)
            self._append({"kind": BEGIN, **settings})
            self._begun = self._end
            return
        other = [name for name in {*settings, *first} if first.get(name) != settings.get(name)]
        if other:
            changes = ", ".join(f"{name} {first.get(name)!r}, now {settings.get(name)!r}" for name in sorted(other))
            raise DataError(
                f"{self.path} belongs to a monitor with other settings ({changes}). Give the same, or another --log."
            )
        os.ftruncate(self._lock.descriptor, self._end_of_whole_lines(content))

    def _first_line(self) -> dict[str, Any] | None:
        """Return the settings in the first line, None if there is no whole first line of a monitor."""
        with self.path.open("rb") as file:
            line = file.readline()
        try:
            first = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(first, dict) or first.pop("kind", None) != BEGIN:
            return None
        return first

    def _is_cut_short(self, settings: dict[str, Any]) -> bool:
        """Whether the file is the beginning of the first line that would be written now."""
        line = in_json({"kind": BEGIN, **settings}, separators=(",", ":")).encode()
        return line.startswith(self.path.read_bytes())

    def _end_of_whole_lines(self, size: int) -> int:
        """Return where the last whole line ends."""
        with self.path.open("rb") as file:
            at = size
            while at > 0:
                start = max(0, at - 65536)
                file.seek(start)
                if (newline := file.read(at - start).rfind(b"\n")) >= 0:
                    return start + newline + 1
                at = start
        return 0
