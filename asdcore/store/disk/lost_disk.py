"""Tells a disk that has gone, as that of a server that does not answer, from a file that is damaged.

To remove such a file, to leave it out, or to take it for missing would be wrong: it is there again when the disk is.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asdcore.errors import LostDiskError

_DISKS = (
    errno.ENOTCONN,  # FUSE: its process has ended
    errno.ESTALE,  # NFS: the server was set up anew
    errno.EIO,
    errno.EREMOTEIO,
    errno.EHOSTDOWN,
    errno.ENODEV,
    errno.ENXIO,
)
"""What a file system reports if it cannot reach what lies below it."""

_CONNECTIONS = (
    errno.ETIMEDOUT,
    errno.ECONNABORTED,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
)
"""The same, if it is about a file: a download that fails reports it, too."""

_NUMBER = re.compile(r"os error (\d+)\)")


def is_lost(error: BaseException) -> bool:
    """Whether an error, perhaps wrapped by polars, says that a disk does not answer.

    Examples
    --------
    >>> import errno
    >>> from asdcore.store.disk.lost_disk import is_lost
    >>> is_lost(OSError(errno.ENOTCONN, "Transport endpoint is not connected")), is_lost(FileNotFoundError(2, "no"))
    (True, False)
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISKS or (error.errno in _CONNECTIONS and error.filename is not None)
    number = _NUMBER.search(str(error))
    return isinstance(error, LostDiskError) or (number is not None and int(number[1]) in _DISKS + _CONNECTIONS)


def lost(path: object | None, error: BaseException) -> LostDiskError:
    """Return the error that says what to do about a disk that does not answer. path : something on it, if known."""
    number = _NUMBER.search(str(error))
    reason = getattr(error, "strerror", None) or (os.strerror(int(number[1])) if number else str(error))
    disk = "A disk" if path is None else f"The disk of {path}"
    return LostDiskError(
        f"{disk} does not answer ({reason}). Mount it again, or see what ails it, and give the same command again: "
        "what was finished is kept."
    )


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn the loss of the disk of ``path`` into a LostDiskError; other errors stay as they are."""
    try:
        yield
    except Exception as error:
        if not is_lost(error):
            raise
        raise lost(path, error) from error
