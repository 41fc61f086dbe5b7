"""List the recordings below a folder by their names; no file is opened."""

from __future__ import annotations

import os
from pathlib import Path

from asdcore.basics.paths import is_recording


def sounds_below(root: Path) -> set[str]:
    """Return every sound file below a folder, hidden ones apart, as paths relative to it."""
    sounds: set[str] = set()
    top = os.fspath(root)
    for folder, folders, names in os.walk(top, followlinks=True):
        # Text, not paths: there may be a million.
        here = folder[len(top) :].strip("/")
        depth = here.count("/") + 1 if here else 0
        # A link inside a machine's folder could lead round in circles.
        folders[:] = [name for name in folders if not name.startswith(".") and depth < 4]
        sounds.update(as_text(f"{here}/{name}" if here else name) for name in names if _is_sound(name))
    return sounds


def as_text(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are not UTF-8 become ``\xNN``."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_sound(name: str) -> bool:
    return is_recording(name) and not name.startswith(".")
