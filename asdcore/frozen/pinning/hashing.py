"""Compute the SHA-256 of many files in parallel, each read once."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from asdcore.basics.cores import cores
from asdcore.basics.parse import parse_json
from asdcore.basics.recording_parts import is_whole, part_digest, recording_name
from asdcore.contract.source_code.files import FRESH
from asdcore.errors import ManifestError, StoreError
from asdcore.store.disk.atomic import write_text

BLOCK = 1 << 18
BATCH = 8, 64
"""Files that a thread takes at a time: from few files and from many."""
MISSING = "missing"
"""The trouble of a file that is not there."""


@dataclass(frozen=True)
class HashedFile:
    """A file's size and SHA-256, or why it is unreadable."""

    size: int = 0
    sha256: str = ""
    trouble: str = ""


class DigestCache:
    """Digests of earlier verifications, by path, size and time of change; used only if a person trusts those times."""

    def __init__(self, path: Path, trusted: bool) -> None:
        self.path, self.trusted = path, trusted
        self._seen = _read(path) if trusted else {}
        self._now: dict[str, str] = {}

    def recall(self, path: str | Path, status: os.stat_result) -> str | None:
        """Return the digest of a file that has not been touched since it was seen."""
        touched, _, sha256 = self._seen.get(str(path), "").rpartition(" ")
        return sha256 if touched and touched == _touched(status) else None

    def note(self, path: str | Path, status: os.stat_result, sha256: str) -> None:
        """Remember a digest."""
        self._now[str(path)] = f"{_touched(status)} {sha256}"

    def save(self) -> None:
        """Save the digests. They only save time, so a full disk does not matter."""
        with suppress(StoreError):
            write_text(self.path, json.dumps(self._seen | self._now))


class _Buffer(threading.local):
    """The memory that each thread reads into: new memory for every file would take a sixth more time."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(BLOCK))


def hash_files(
    names: Iterable[str],
    locate: Callable[[str], str | Path | None],
    seen: DigestCache | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, HashedFile]:
    """Return {name: size and digest of its file, or of a part of it}. A file is read once for all of its parts.

    locate : returns a name's path, None if there is none; its ManifestError becomes the file's ``trouble``. done :
    called with 1 after each file.
    """
    buffer = _Buffer()

    def look(name: str) -> tuple[str, HashedFile]:
        try:
            path = locate(name)
            file = HashedFile(trouble=MISSING) if path is None else _hash(path, seen, buffer.view)
        except ManifestError as error:
            file = HashedFile(trouble=str(error))
        done(1)
        return name, file

    def look_at(batch: list[str]) -> list[tuple[str, HashedFile]]:
        return [look(name) for name in batch]

    # To hand a small file to a thread takes as long as to hash it.
    wanted = list(names)
    waiting = list(dict.fromkeys(map(recording_name, wanted)))
    few, many = BATCH
    each = min(many, max(few, len(waiting) // many))
    batches = (waiting[start : start + each] for start in range(0, len(waiting), each))
    with ThreadPoolExecutor(cores()) as threads:
        files = {name: file for batch in threads.map(look_at, batches) for name, file in batch}
    done(len(wanted) - len(waiting))
    return {name: _part_of(name, files[recording_name(name)]) for name in wanted}


def _part_of(name: str, file: HashedFile) -> HashedFile:
    """Return the digest of a part of a file, if that is what the name says."""
    return file if file.trouble or is_whole(name) else replace(file, sha256=part_digest(name, file.sha256))


def _hash(path: str | Path, seen: DigestCache | None, buffer: memoryview) -> HashedFile:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                return HashedFile(trouble="cannot be read: Is a directory")
            if not stat.S_ISREG(status.st_mode):
                return HashedFile(trouble="it is not a regular file")
            # Of a file that has just changed, one more change might leave the time of change as it is.
            is_settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > FRESH
            recalled = seen.recall(path, status) if seen and seen.trusted else None
            sha256 = recalled or _digest(descriptor, status.st_size, buffer)
        finally:
            os.close(descriptor)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        return HashedFile(trouble=MISSING if is_missing else f"cannot be read: {error.strerror or error}")
    if seen and is_settled:
        seen.note(path, status, sha256)
    return HashedFile(status.st_size, sha256)


def _digest(descriptor: int, size: int, buffer: memoryview) -> str:
    """Return the SHA-256 of an open file of that size. Python's files would ask the system twice as often."""
    digest, read = hashlib.sha256(), 0
    while n := os.readv(descriptor, (buffer,)):
        digest.update(buffer[:n])
        if (read := read + n) == size:
            break
    return digest.hexdigest()


def _read(path: Path) -> dict[str, str]:
    """Return the saved digests; an absent or damaged file gives none, and every file is read."""
    try:
        kept = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in kept.items() if isinstance(entry, str)} if isinstance(kept, dict) else {}


def _touched(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
