"""SHA-256 of many files: each is read once, several at a time."""

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
from dataclasses import dataclass
from pathlib import Path

from asdcore.basics.parse import parse_json
from asdcore.errors import ManifestError, StoreError
from asdcore.resources.registry import FRESH
from asdcore.store.atomic import write_text

BLOCK = 1 << 18
MISSING = "missing"
"""The trouble of a file that is not there."""


@dataclass(frozen=True)
class Found:
    """What a file is: its size and digest, or why it cannot be read."""

    size: int = 0
    sha256: str = ""
    trouble: str = ""


class Known:
    """Digests of files seen before, by path, size and time of change; used only where a person trusts those times."""

    def __init__(self, path: Path, trusted: bool) -> None:
        self.path = path
        self._seen = _read(path) if trusted else {}
        self._now: dict[str, list[object]] = {}

    def recall(self, path: Path, status: os.stat_result) -> str | None:
        """Return the digest of a file that has not been touched since it was seen."""
        seen = self._seen.get(str(path))
        return str(seen[-1]) if seen and seen[:-1] == _touched(status) else None

    def note(self, path: Path, status: os.stat_result, sha256: str) -> None:
        """Remember a digest."""
        self._now[str(path)] = [*_touched(status), sha256]

    def save(self) -> None:
        """Keep what was seen. It is only there for speed, so a disk that refuses it is no trouble."""
        with suppress(StoreError):
            write_text(self.path, json.dumps(self._seen | self._now))


class _Buffer(threading.local):
    """What each thread reads into: fresh memory for every file would cost a sixth of the time."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(BLOCK))


def hash_files(
    names: Iterable[str],
    locate: Callable[[str], Path | None],
    known: Known | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Found]:
    """Return {name: what its file is}; ``locate`` says where a name lies (None: nowhere), ``done`` is told of each.

    A name that ``locate`` refuses with ManifestError is in trouble, as one whose file cannot be read.
    """
    buffer = _Buffer()

    def look(name: str) -> tuple[str, Found]:
        try:
            path = locate(name)
            found = Found(trouble=MISSING) if path is None else _hash(path, known, buffer.view)
        except ManifestError as error:
            found = Found(trouble=str(error))
        done(1)
        return name, found

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(threads.map(look, names))


def _hash(path: Path, known: Known | None, buffer: memoryview) -> Found:
    digest = hashlib.sha256()
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Found(trouble="it is no regular file")
            # Of a file that has just changed, one more change might leave the time of change as it is.
            is_settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > FRESH
            if known and (recalled := known.recall(path, status)):
                sha256 = recalled
            else:
                while n := file.readinto(buffer):
                    digest.update(buffer[:n])
                sha256 = digest.hexdigest()
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        return Found(trouble=MISSING if is_missing else f"cannot be read: {error.strerror or error}")
    if known and is_settled:
        known.note(path, status, sha256)
    return Found(status.st_size, sha256)


def _read(path: Path) -> dict[str, list[object]]:
    """Return what was kept; nothing where it is not there or spoiled, for then every file is read."""
    try:
        kept = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: one for name, one in kept.items() if isinstance(one, list)} if isinstance(kept, dict) else {}


def _touched(status: os.stat_result) -> list[object]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
