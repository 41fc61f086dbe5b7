"""List the recordings below a folder by their names; no file is opened."""

from __future__ import annotations

import os
from pathlib import Path

from asdcore.data.audio import SUFFIXES


def sounds_below(root: Path) -> set[str]:
    """Return every sound file below a folder, hidden ones apart, as paths relative to it."""
    sounds = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder).relative_to(root)
        # A link inside a machine's folder could lead round in circles.
        folders[:] = [name for name in folders if not name.startswith(".") and len(here.parts) < 4]
        sounds |= {as_text((here / name).as_posix()) for name in names if _is_sound(name)}
    return sounds


def as_text(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_sound(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
