"""Looks twice at a disk that several machines share: what another has just written may not be seen at once.

A network file system remembers for up to a minute which names a folder holds, and that a name was not there. To make a
file in that folder lets it ask the server again. A file that another machine replaces while it is read is "stale": its
name leads to the new one.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from asdcore.store.atomic import scratch

Seen = TypeVar("Seen")

NETWORK = 60.0
"""Seconds after which a network file system, as it is usually mounted, knows what others have written."""

PATIENCE: ContextVar[float] = ContextVar("patience", default=0.0)
"""Seconds to look for a file that must be there: none unless other machines write."""

TRIES = 3


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


def unstale(read: Callable[[], Seen]) -> Seen:
    """Return what ``read`` reads from a file; if that was replaced meanwhile, read the new one."""
    for _ in range(TRIES - 1):
        try:
            return read()
        except Exception as error:
            if not _is_stale(error):
                raise
    return read()


def _is_stale(error: Exception) -> bool:
    """Whether an error, perhaps wrapped by polars, is about a file that was replaced."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ESTALE
    return f"os error {errno.ESTALE})" in str(error)


def _ask_anew(folder: Path) -> None:
    with suppress(OSError), scratch(folder, ".look"):
        pass
