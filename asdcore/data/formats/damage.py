"""Turns what a format's library raises into one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asdcore.errors import DataError

LIBRARIES = {"nptdms": "npTDMS", "h5py": "h5py", "pyuff": "pyuff", "asammdf": "asammdf"}
"""{module: its distribution} of the extra ``formats``."""

LONGEST = 200
"""Characters of a library's message that are repeated."""


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Raise DataError, beginning with ``name``, for whatever a format's library raises inside the block."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES:
            raise
        raise DataError(
            f"{name}: is read by the library {LIBRARIES[error.name]}, which is not installed. Type: "
            "pip install 'asdcore[formats]'"
        ) from error
    except Exception as error:
        why = " ".join(str(error).split())[:LONGEST]
        raise DataError(f"{name}: will not decode ({type(error).__name__}: {why})") from error
