"""The bytes of a sound file: in memory if there are few, else read from disk whenever they are needed."""

from __future__ import annotations

import functools
import hashlib
import io
import mmap
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from asdcore.errors import DataError
from asdcore.store.lost_disk import is_lost, lost

LARGE = 1 << 23
"""Bytes from which on a file is not held in memory: more than 4 minutes of 16 bits at 16 kHz."""

SETTLED = 2_500_000_000
"""Nanoseconds after which the next change of a file has another time."""


class FileContent:
    """A file that is open for reading. Errors, DataError, begin with its name.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : str, optional
        What errors begin with instead: the name of the part that is wanted of the file. Then the file is never held in
        memory, and hashed once for all of its parts as long as it stays as it is.

    Attributes
    ----------
    content : bytes or mmap
        All bytes. Of a large file only those that somebody looks at are in memory.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._name, self._path, self._in_parts = name or path.name, path, name is not None
        self.content: bytes | mmap.mmap = b""
        self._file: io.BufferedReader | None = None
        self._then = 0, 0

    def __enter__(self) -> Self:
        try:
            if self._path.is_fifo():
                raise DataError(f"{self._name}: is a pipe, not a file")  # reading it would wait forever
            least = 1 if self._in_parts else LARGE
            if self._path.is_file() and self._path.stat().st_size >= least:
                self._file = self._path.open("rb")
                self._then = _status(self._file)
                self.content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            else:
                self.content = self._path.read_bytes()
        except OSError as error:
            if is_lost(error):
                raise lost(self._path, error) from error
            raise DataError(f"{self._name}: cannot be read ({error.strerror or error})") from error
        if not self.content:
            raise DataError(f"{self._name}: empty (0 bytes)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self.content, mmap.mmap):
            self.content.close()
        if self._file is not None:
            self._file.close()

    def sha256(self) -> str:
        """Return the digest of all bytes."""
        if self._file is None:
            return hashlib.sha256(self.content).hexdigest()
        status = os.fstat(self._file.fileno())
        if self._in_parts and time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
            times = status.st_mtime_ns, status.st_ctime_ns
            return _digest_of_unchanged(self._path, status.st_dev, status.st_ino, status.st_size, *times)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def behind(self, start: int) -> IO[bytes]:
        """Return a file of the bytes from ``start`` on."""
        if self._file is None:
            return io.BytesIO(self.content[start:])
        return io.BufferedReader(_Behind(self._file, start))

    def check_unchanged(self) -> None:
        """Raise DataError if a large file has changed since it was opened."""
        if self._file is not None and _status(self._file) != self._then:
            raise DataError(f"{self._name}: changed while it was read")


@functools.lru_cache(maxsize=4096)
def _digest_of_unchanged(path: Path, *_: int) -> str:
    """Return the digest of a file, read once as long as its device, inode, size and times stay as they are."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _status(file: IO[bytes]) -> tuple[int, int]:
    """Return size and time of the last change."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


class _Behind(io.RawIOBase):
    """A file that begins at some byte of another, and leaves that one open."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._descriptor, self._start, self._position = file.fileno(), start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = os.fstat(self._descriptor).st_size - self._start
        self._position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        content = os.pread(self._descriptor, len(buffer), self._start + self._position)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
