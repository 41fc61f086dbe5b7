"""Looks twice at a disk that several machines share: what another has just written may not be seen at once.

A network file system remembers for up to a minute which names a folder holds, and that a name was not there. To make a
file in that folder lets it ask the server again. A file that another machine replaces while it is read is "stale", or
even missing for a moment: its name leads to the new one.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from asdcore.store.disk.atomic import scratch

Seen = TypeVar("Seen")

NETWORK = 60.0
"""Seconds after which a network file system, as it is usually mounted, knows what others have written."""

PATIENCE: ContextVar[float] = ContextVar("patience", default=0.0)
"""Seconds to look for a file that must be there: none unless other machines write."""

SETTLES = 3.0
"""Seconds within which a name leads to the file that has replaced another: GlusterFS remembers the old one for one."""


def soon(look: Callable[[], Seen | None], folder: Path) -> Seen | None:
    """Return what ``look`` finds in a folder; while it finds nothing, look again until the patience ends."""
    deadline, pause = time.monotonic() + PATIENCE.get(), 0.05
    while (seen := look()) is None and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
        _ask_anew(folder)
    return seen


def appears(path: Path) -> bool:
    """Whether a file is there, at once or soon."""
    return soon(lambda: path.exists() or None, path.parent) is not None


def is_regular(path: Path) -> bool:
    """Whether a path names a file, and not a pipe, which could be read for ever."""
    try:
        return stat.S_ISREG(unstale(path.stat, path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def unstale(read: Callable[[], Seen], path: Path) -> Seen:
    """Return what ``read`` reads from the file ``path``; if that was replaced meanwhile, read the new one."""
    deadline, pause = time.monotonic() + SETTLES, 0.01
    while True:
        try:
            return read()
        except Exception as error:
            if not _is_stale(error, path) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause *= 2


def _is_stale(error: Exception, path: Path) -> bool:
    """Whether an error, perhaps wrapped by polars, is about a file that was replaced."""
    if isinstance(error, FileNotFoundError):
        return _is_listed(path)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ESTALE
    return f"os error {errno.ESTALE})" in str(error)


def _is_listed(path: Path) -> bool:
    """Whether a folder names a file that cannot be found, and that is no link."""
    with suppress(OSError):
        return path.name in os.listdir(path.parent) and not path.is_symlink()  # noqa: PTH208
    return False


def _ask_anew(folder: Path) -> None:
    with suppress(OSError), scratch(folder, ".look"):
        pass
