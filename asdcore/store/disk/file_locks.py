"""Lock files: a lock lives exactly as long as its process, in whatever container that runs.

A lock is on the file, not on its name. :func:`take` makes sure that the locked file still has the name; its holder may
remove or rename the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lock:
    """An open file that this process alone has locked; ``sure`` is False if the file system has no locks."""

    path: Path
    descriptor: int
    sure: bool

    def is_there(self) -> bool:
        """Whether the path still names the locked file."""
        try:
            named, held = self.path.lstat(), os.fstat(self.descriptor)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def remove(self) -> None:
        """Remove the file, if the path still names it."""
        if self.is_there():
            self.path.unlink()

    def release(self) -> None:
        """Release the lock and close the file."""
        with suppress(OSError):  # a disk that has gone says so here, too, and what went wrong before is the news
            os.close(self.descriptor)


def take(path: Path) -> Lock | None:
    """Open or make the file ``path`` and lock it; None if another holds it.

    A link is not followed. Raises OSError if ``path`` is a link or not a regular file, has a second name, or
    does not open.
    """
    while True:
        descriptor = _open(path)
        try:
            sure = _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        lock = Lock(path, descriptor, sure)
        if lock.is_there():
            return lock
        lock.release()  # whoever held it has removed or renamed it: the name is free, or has another file


def _open(path: Path) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    about = os.fstat(descriptor)
    if stat.S_ISREG(about.st_mode) and about.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    reason = "it has a second name (a hard link)" if stat.S_ISREG(about.st_mode) else "it is not a regular file"
    raise OSError(errno.EINVAL, reason, str(path))


def _lock(descriptor: int) -> bool:
    """Lock an open file; False if the file system has no locks. Raises BlockingIOError if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
