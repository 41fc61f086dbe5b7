"""Chooses the reader of a logger's file by the file's ending, and keeps the last file of each thread open.

A long file is read window by window; its directory of channels would take longer to read than a window.
"""

from __future__ import annotations

import importlib
import threading
import weakref
from pathlib import Path

from asdcore.basics.paths import MEASURED, TABLES_OF_SAMPLES
from asdcore.basics.recording_parts import Part
from asdcore.data.formats.channels import ChannelFile
from asdcore.data.formats.damage import damage
from asdcore.data.formats.measured_sound import MeasuredSound

MODULES = {
    ".tdms": "tdms",
    ".uff": "uff58",
    ".unv": "uff58",
    ".mf4": "mdf4",
    ".mdf": "mdf4",
    ".mat": "matlab",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".csv": "csv_table",
}
"""{ending: module of this folder, which has ``open_file``}."""


def is_measured(path: Path) -> bool:
    """Whether a file is read here, by its ending."""
    return path.suffix.lower() in (*MEASURED, *TABLES_OF_SAMPLES)


class _Held:
    """An open file, and what it was when it was opened. It is closed with its thread."""

    def __init__(self, path: Path, key: tuple[object, ...]) -> None:
        self.key = key
        module = importlib.import_module(f"{__package__}.{MODULES[path.suffix.lower()]}")
        self.file: ChannelFile = module.open_file(path)
        # No __del__: at the end of the process it would come after the libraries are gone.
        weakref.finalize(self, self.file.close)


class _LastOpened(threading.local):
    """The file that a thread has opened last."""

    held: _Held | None = None

    def open(self, path: Path) -> ChannelFile:
        """Return the file, opened anew if it is another or has changed."""
        status = path.stat()
        key = path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        if self.held is None or self.held.key != key:
            self.held = None
            self.held = _Held(path, key)
        return self.held.file


_LAST = _LastOpened()


def measured(path: Path, part: Part, name: str) -> MeasuredSound:
    """Open one channel of a logger's file; errors, DataError, begin with ``name``."""
    with damage(name):
        file = _LAST.open(path)
    return MeasuredSound(file, part, name)
