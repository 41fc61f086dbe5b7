"""List the recordings below a folder by their names; no file is opened."""

from __future__ import annotations

import os
from pathlib import Path

from asdcore.basics.paths import is_recording, walked


def sounds_below(root: Path) -> set[str]:
    """Return every sound file below a folder, hidden ones apart, as paths relative to it."""
    sounds: set[str] = set()
    top = os.fspath(root)
    for folder, names in walked(top):
        here = folder[len(top) :].strip("/")
        sounds.update(as_text(f"{here}/{name}" if here else name) for name in names if is_recording(name))
    return sounds


def as_text(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are not UTF-8 become ``\xNN``."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
