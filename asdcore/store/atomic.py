"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asdcore.errors import AsdcoreError, StoreError

PREFIX = ".writing-"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` on success, remove it on failure.

    Raises StoreError where the folder cannot be written or the disk is full.
    """
    # The process number tells an orphan of a killed process from a file that is being written; the suffix keeps either
    # from being taken for a finished file.
    temporary = path.with_name(f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}.part")
    try:
        with disk_trouble(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path`` to fill and empty again; whatever is left in it is removed."""
    folder = path.with_name(f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        with disk_trouble(path.parent):
            folder.mkdir(parents=True)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_trouble(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into a StoreError that says what to do."""
    try:
        yield
    except AsdcoreError:
        raise
    except Exception as error:
        reason = _disk_trouble(error)
        if reason is None:
            raise
        raise StoreError(f"Cannot write {path}: {reason}.") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys, all of it or nothing."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def remove_orphans(folder: Path) -> None:
    """Remove what killed processes left half written under ``folder``."""
    for orphan in folder.rglob(f"{PREFIX}*"):
        owner = orphan.name.removeprefix(PREFIX).split("-", 1)[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(orphan)


def _remove(path: Path) -> None:
    with suppress(OSError):  # a folder that cannot be written holds nothing of ours
        path.unlink(missing_ok=True)


def _disk_trouble(error: Exception) -> str | None:
    """Say what is wrong with the disk, or None where the error is about something else.

    polars wraps an operating-system error in its own class and keeps only the text.
    """
    advice = {
        errno.ENOSPC: "the disk is full. Free some space, or choose another folder with --out or --store",
        errno.EDQUOT: "the disk quota is used up. Free some space, or choose another folder with --out or --store",
        errno.EACCES: "permission denied. Choose a folder you may write, with --out or --store",
        errno.EPERM: "permission denied. Choose a folder you may write, with --out or --store",
        errno.EROFS: "the file system is read-only. Choose another folder with --out or --store",
        errno.ENOTDIR: "part of the path is a file, not a folder. Choose another folder with --out or --store",
        errno.EFBIG: "the file is larger than this file system or process may write",
    }
    number = error.errno if isinstance(error, OSError) else None
    if number in advice:
        return advice[number]
    text = str(error)
    for code, reason in advice.items():
        if os.strerror(code) in text or f"os error {code})" in text:
            return reason
    return f"{error}" if isinstance(error, OSError) else None
