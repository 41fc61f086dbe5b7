"""Where an inference is written: into a folder that is empty, new, or its own from before a kill."""

from __future__ import annotations

from pathlib import Path

from asdcore.errors import StoreError
from asdcore.frozen.locations import Roots
from asdcore.runs.folder import RUN_FILE, check_out
from asdcore.store.atomic import write_text

SCORE_FILES = "scores"
"""The folder of score and decision files, one folder a system, below the inference's."""

WORK = ".work"
"""What a stopped inference has computed; gone when it is finished."""

MARKER = ".asdcore-inference"
"""The file that shows that an inference made this folder."""


def mark(work: Path) -> None:
    """Mark a folder as what an inference computes in."""
    write_text(work / MARKER, "Made by asdcore infer, which goes on from here and then removes it.\n")


def check_unfinished(out: Path) -> None:
    """Refuse a folder with a finished run, or with anything that no inference made."""
    if (out / RUN_FILE).exists():
        raise StoreError(f"{out} holds a finished run or inference, and is not written over. Choose another --out.")
    check_out(out, [SCORE_FILES])
    work = out / WORK
    if work.is_symlink() or (work.exists() and not (work / MARKER).is_file() and any(work.iterdir())):
        raise StoreError(f"{work} is not what an inference made there. Move it away, or choose another --out.")


def check_unfrozen(out: Path, roots: Roots) -> None:
    """Refuse to write into what is frozen."""
    for name in ("run", "store"):
        folder = roots.folders[name].resolve()
        if out.resolve().is_relative_to(folder):
            raise StoreError(f"{out} lies in the frozen {name} folder, {folder}. Choose another --out.")
