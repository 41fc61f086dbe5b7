"""The bytes of a sound file: in memory if there are few, else read from disk whenever they are needed."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, overload

from asdcore.basics.paths import endless
from asdcore.errors import AsdcoreError, DataError
from asdcore.store.disk.lost_disk import is_lost, lost

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
    content : bytes or BytesOnDisk
        All bytes. Those of a large file are read when somebody looks at them.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._name, self._path, self._in_parts = name or path.name, path, name is not None
        self.content: bytes | BytesOnDisk = b""
        self._file: io.BufferedReader | None = None
        self._disk: BytesOnDisk | None = None
        self._then = 0, 0, 0, 0, 0

    def __enter__(self) -> Self:
        try:
            if what := endless(self._path):
                raise DataError(f"{self._name}: is a {what}, not a file")
            least = 1 if self._in_parts else LARGE
            if self._path.is_file() and self._path.stat().st_size >= least:
                self._file = self._path.open("rb")
                self._then = _status(self._file)
                self.content = self._disk = BytesOnDisk(self._file)
            else:
                self.content = self._path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error
        if not self.content:
            raise DataError(f"{self._name}: empty (0 bytes)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        # A decoder takes what could not be read for the end of the file, and says that it is cut short.
        failed = self._disk.failed if self._disk else None
        if failed:
            raise self._unreadable(failed) from failed

    def sha256(self) -> str:
        """Return the digest of all bytes."""
        if isinstance(self.content, bytes) or self._file is None:
            return hashlib.sha256(self.content[:]).hexdigest()
        status = os.fstat(self._file.fileno())
        try:
            if self._in_parts and time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
                return _digest_of_unchanged(self._path, *_status(self._file))
            return hashlib.file_digest(self._file, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(error) from error

    def behind(self, start: int) -> IO[bytes]:
        """Return a file of the bytes from ``start`` on."""
        if self._disk is None:
            return _InMemory(self.content[start:])
        return io.BufferedReader(_Behind(self._disk, start))

    def check_unchanged(self) -> None:
        """Raise DataError if a large file has changed since it was opened.

        So it has if another file took its place: of a recording in parts, some is read by its name.
        """
        if self._file is None:
            return
        now = _status(self._file)
        try:
            is_there = not self._in_parts or _named(self._path) == now[:2]
        except OSError:
            is_there = False
        if not is_there or now[2:4] != self._then[2:4]:
            raise DataError(f"{self._name}: changed while it was read")

    def _unreadable(self, error: OSError) -> AsdcoreError:
        if is_lost(error):
            return lost(self._path, error)
        return DataError(f"{self._name}: cannot be read ({error.strerror or error})")


class BytesOnDisk:
    """The bytes of an open file, read when they are asked for.

    Not a memory map: that would end the process (SIGBUS), and not raise, when the file is cut short or its disk goes.

    Parameters
    ----------
    file : binary file
        It must stay open. Its position does not change.

    Attributes
    ----------
    failed : OSError or None
        Why bytes could not be read, if they could not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     _ = file.write(b"RIFF____WAVE"), file.flush()
    ...     content = BytesOnDisk(file)
    ...     len(content), content[8:12], content[5], content[10:99]
    (12, b'WAVE', 95, b'VE')
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor, self._size = file.fileno(), os.fstat(file.fileno()).st_size
        self.failed: OSError | None = None

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, int):
            return self[place : place + 1][0]
        start, stop, _ = place.indices(self._size)
        try:
            content = os.pread(self._descriptor, max(0, stop - start), start)
            if len(content) < stop - start:
                raise OSError("cut short while it was read")
        except OSError as error:
            self.failed = error
            raise
        return content


@functools.lru_cache(maxsize=4096)
def _digest_of_unchanged(path: Path, *status: int) -> str:
    """Return the digest of a file, read once as long as its device, inode, size and times stay as they are."""
    with path.open("rb") as file:
        if _status(file) != status:
            raise OSError("another file took its place while it was read")
        return hashlib.file_digest(file, "sha256").hexdigest()


def _status(file: IO[bytes]) -> tuple[int, int, int, int, int]:
    """Return device, inode, size, and the times of the last change of content and of status."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _named(path: Path) -> tuple[int, int]:
    """Return device and inode of the file that a path leads to."""
    status = path.stat()
    return status.st_dev, status.st_ino


class _InMemory(io.BytesIO):
    """A file in memory. Of a damaged one libsndfile seeks before its beginning, and an error there would be printed."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: len(self.getbuffer())}[whence]
        return super().seek(max(0, start + offset))


class _Behind(io.RawIOBase):
    """A file that begins at some byte of another, and leaves that one open.

    What cannot be read ends it: libsndfile, which calls it from C, would print an error and go on.
    """

    def __init__(self, content: BytesOnDisk, start: int) -> None:
        self._content, self._start, self._position = content, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = len(self._content) - self._start
        self._position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        start = self._start + self._position
        try:
            content = self._content[start : start + len(buffer)]
        except OSError:
            return 0
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
