"""The recordings below a folder, by name alone."""

from __future__ import annotations

import os
from pathlib import Path

from asdcore.data.audio import SUFFIXES


def sounds_below(root: Path) -> set[str]:
    """Return every sound file below a folder, hidden ones apart, as paths relative to it."""
    found = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder).relative_to(root)
        # A link inside a machine's folder could lead round in circles.
        folders[:] = [one for one in folders if not one.startswith(".") and len(here.parts) < 4]
        found |= {as_text((here / one).as_posix()) for one in names if _is_sound(one)}
    return found


def as_text(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are no UTF-8, which nothing could show, become ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_sound(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
