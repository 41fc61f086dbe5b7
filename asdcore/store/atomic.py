"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import functools
import glob
import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asdcore.errors import AsdcoreError, StoreError

PREFIX = ".writing-"

_ADVICE = {
    errno.ENOSPC: "the disk is full. Free some space, or choose another folder with --out or --store",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose another folder with --out or --store",
    errno.EACCES: "permission denied. Choose a folder you may write, with --out or --store",
    errno.EPERM: "permission denied. Choose a folder you may write, with --out or --store",
    errno.EROFS: "the file system is read-only. Choose another folder with --out or --store",
    errno.ENOTDIR: "part of the path is a file, not a folder. Choose another folder with --out or --store",
    errno.EFBIG: "the file is larger than this file system or process may write",
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` on success, remove it on failure.

    Raises StoreError where the folder cannot be written or the disk is full.
    """
    # The suffix keeps it from being taken for a finished file.
    temporary = path.with_name(f"{_mine()}{uuid.uuid4().hex[:8]}-{path.name}.part")
    try:
        with disk_trouble(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        _remove(temporary)


def check_writable(folder: Path) -> None:
    """Raise StoreError where ``folder`` could not be made or written to: better known before the work than after."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise StoreError(
            f"Cannot write {folder}: {there} is a file, not a folder. Choose another with --out or --store."
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"Cannot write {folder}: {_ADVICE[errno.EACCES]}.")


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path`` to fill and empty again; whatever is left in it is removed."""
    path = path.resolve()  # '.' and '..' have no name of their own
    folder = path.with_name(f"{_mine()}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        with disk_trouble(path.parent):
            folder.mkdir(parents=True)
            _sweep(path.parent.glob(f"{PREFIX}{_host()}-*-{glob.escape(path.name)}"))
            yield folder
    finally:
        _remove(folder)


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, all of it or nothing."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys, all of it or nothing."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return a value as JSON with sorted keys."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def remove_orphans(folder: Path) -> None:
    """Remove what killed processes of this host left half written under ``folder``."""
    _sweep(folder.rglob(f"{PREFIX}{_host()}-*"))


def _sweep(temporaries: Iterable[Path]) -> None:
    for orphan in list(temporaries):
        owner = orphan.name.removeprefix(f"{PREFIX}{_host()}-").split("-", 1)[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            _remove(orphan)


def _mine() -> str:
    """How temporary names of this process begin: host and process tell an orphan from a file being written."""
    return f"{PREFIX}{_host()}-{os.getpid()}-"


@functools.cache
def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):  # a folder that cannot be written holds nothing of ours
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _disk_trouble(error: Exception) -> str | None:
    """Say what is wrong with the disk, or None where the error is about something else.

    polars wraps an operating-system error in its own class and keeps only the text.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in _ADVICE:
        return _ADVICE[number]
    text = str(error)
    for code, reason in _ADVICE.items():
        if os.strerror(code) in text or f"os error {code})" in text:
            return reason
    return f"{error}" if isinstance(error, OSError) else None
