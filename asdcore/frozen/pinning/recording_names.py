"""List the recordings below a folder by their names; no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from asdcore.basics.paths import is_recording, walked


def sounds_below(root: Path) -> Iterator[set[str]]:
    """Yield the sound files of every folder below a root, hidden ones apart, as paths relative to the root."""
    top = os.fspath(root)
    for folder, names in walked(top):
        here = folder[len(top) :].strip("/")
        if sounds := {as_text(f"{here}/{name}" if here else name) for name in names if is_recording(name)}:
            yield sounds


def as_text(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are not UTF-8 become ``\xNN``."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
