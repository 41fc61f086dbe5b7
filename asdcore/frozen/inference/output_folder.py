"""Check the folder that an inference writes to: new, empty, or left by the same inference after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asdcore.errors import AsdcoreError, StoreError
from asdcore.frozen.manifest.locations import Roots
from asdcore.runs.folder import RUN_FILE
from asdcore.runs.writing import check_out
from asdcore.store.disk.atomic import write_text

SCORE_FILES = "scores"
"""The folder of score and decision files, one folder a system, below the inference's."""

WORK = ".work"
"""The folder of intermediate results, below the inference's; removed when it is finished."""

MARKER = ".asdcore-inference"
"""The file that shows that an inference made this folder."""


def mark(work: Path) -> None:
    """Mark a folder as an inference's own."""
    write_text(work / MARKER, "Made by asdcore infer, which goes on from here and then removes it.\n")


def check_unfinished(out: Path) -> None:
    """Raise StoreError if a folder holds a finished run, or anything that no inference made."""
    if (out / RUN_FILE).exists():
        raise StoreError(f"{out} holds a finished run or inference, so it is not written over. Choose another --out.")
    check_out(out, [SCORE_FILES])
    work = out / WORK
    if work.is_symlink() or (work.exists() and not (work / MARKER).is_file() and any(work.iterdir())):
        raise StoreError(f"{work} was not made by an inference. Move it away, or choose another --out.")


def check_unfrozen(out: Path, roots: Roots) -> None:
    """Raise StoreError if ``out`` lies in the frozen run folder or store."""
    for name in ("run", "store"):
        folder = roots.folders[name].resolve()
        if out.resolve().is_relative_to(folder):
            raise StoreError(f"{out} lies in the frozen {name} folder, {folder}. Choose another --out.")


@contextmanager
def removed_if_refused(out: Path) -> Iterator[None]:
    """Remove intermediate results at ``out`` if the work inside is refused, and ``out`` itself if it was new.

    A kill or a full disk keeps what was computed, so that the same command resumes from there.
    """
    there = out.exists()
    try:
        yield
    except StoreError:
        raise
    except AsdcoreError:
        shutil.rmtree(out / WORK, ignore_errors=True)
        if not there:
            with suppress(OSError):
                out.rmdir()
        raise
