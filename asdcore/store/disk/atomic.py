"""Write files atomically: in a temporary folder beside them, then renamed.

A process locks its temporary folder as long as it lives. So an unlocked one was left by a killed process and may be
removed. A process id would not do: in another container it names another process. On a shared disk a lock may be seen
by its own machine alone, and two containers may have one name. So a temporary name says from which machine, start and
container it is. What others left is removed when it is a day old by the clock of that disk.
"""

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

from asdcore.basics.paths import check_utf8
from asdcore.errors import AsdcoreError, StoreError
from asdcore.store.disk.file_locks import Lock, take
from asdcore.store.disk.lost_disk import is_lost, lost

PREFIX = ".writing-"
LOCK = "lock"
"""The file in a temporary folder that its process holds."""

LONG = 24 * 3600.0
"""Seconds after which a temporary folder of another host is taken for a dead process's."""

ELSEWHERE = "another folder with --out or --store"
_ADVICE = {
    errno.ENOSPC: "the disk is full. Free some space, or choose {elsewhere}",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose {elsewhere}",
    errno.EACCES: "permission denied: you may not write there. Choose {elsewhere}",
    errno.EPERM: "permission denied: you may not write there. Choose {elsewhere}",
    errno.EROFS: "the file system is read-only. Choose {elsewhere}",
    errno.ENOTDIR: "part of the path is a file, not a folder. Choose {elsewhere}",
    errno.EFBIG: "the file is larger than this file system or process may write",
}
_CUT_SHORT = "the disk takes no more of it. Free some space, or choose {elsewhere}"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` on success, remove it on failure.

    Raises StoreError if the folder is not writable or the disk is full.
    """
    with disk_trouble(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix keeps it from being taken for a finished file.
        with scratch(path.parent, ".part") as folder:
            temporary = folder / path.name
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)


def check_writable(folder: Path) -> None:
    """Raise StoreError if ``folder`` is not writable, or its name cannot be written down, before any work is done."""
    check_utf8(folder, "The folder to write to")
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    if there.is_symlink() and not there.exists():
        raise StoreError(
            f"Cannot write {folder}: {there} is a link that leads nowhere. Choose another with --out or --store."
        )
    if not there.is_dir():
        raise StoreError(
            f"Cannot write {folder}: {there} is a file, not a folder. Choose another with --out or --store."
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"Cannot write {folder}: {_ADVICE[errno.EACCES].format(elsewhere=ELSEWHERE)}.")


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Give a new temporary folder beside ``path``; whatever is left in it at the end is removed."""
    path = path.resolve()  # '.' and '..' have no name of their own
    with disk_trouble(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with working_folder(path.parent, path.name) as outer:
            folder = outer / path.name
            folder.mkdir()
            yield folder


@contextmanager
def disk_trouble(path: Path, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """Turn an operating system's error on writing into a StoreError that says what to do.

    Raises LostDiskError if the disk does not answer.

    elsewhere : where else to write to, in words.
    """
    try:
        yield
    except AsdcoreError:
        raise
    except Exception as error:
        if is_lost(error):
            raise lost(path, error) from error
        reason = _disk_trouble(error)
        if reason is None:
            raise
        raise StoreError(f"Cannot write {path}: {reason.format(elsewhere=elsewhere)}.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys atomically."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return a value as JSON with sorted keys."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def remove_orphans(folder: Path) -> None:
    """Remove temporary folders below ``folder`` that killed processes left; those of other hosts after a day."""
    # os.walk copes with folders that vanish meanwhile.
    below = [(Path(place), names) for place, names, _ in os.walk(folder)]
    left = [place / name for place, names in below for name in names if name.startswith(PREFIX)]
    mine = [path for path in left if path.name.startswith(f"{PREFIX}{_host()}-")]
    others = sorted({*left} - {*mine})
    _sweep(mine)
    if others:
        with suppress(OSError), scratch(folder, ".now") as now:
            # The clock of the disk's own machine: those of two machines may be apart.
            _sweep(path for path in others if now.stat().st_mtime - _last_change(path) > LONG)


def _last_change(folder: Path) -> float:
    """Return when a folder or something in it was last changed; what is gone changed never."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return float("inf")


@contextmanager
def scratch(parent: Path, ending: str) -> Iterator[Path]:
    """Give a temporary folder in ``parent``, locked while it is used, then remove it."""
    folder, lock = _locked(parent, ending)
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()
        _remove(folder)  # some file systems keep a file that is open


@contextmanager
def working_folder(parent: Path, purpose: str) -> Iterator[Path]:
    """Give a :func:`scratch` folder in ``parent``, after removing those that killed processes left for this purpose.

    For work that a person's folder holds meanwhile: what a kill leaves there is gone when the command is given again.
    """
    with scratch(parent, f"-{purpose}") as folder:
        _sweep(parent.glob(f"{PREFIX}{_host()}-*-{glob.escape(purpose)}"))
        yield folder


def _locked(parent: Path, ending: str) -> tuple[Path, Lock]:
    while True:
        folder = parent / f"{_mine()}{uuid.uuid4().hex[:8]}{ending}"
        folder.mkdir()
        # Between the two, a sweep may have taken the new folder for an orphan: then another is made.
        with suppress(FileNotFoundError):
            if lock := take(folder / LOCK):
                return folder, lock


def _sweep(temporaries: Iterable[Path]) -> None:
    for orphan in list(temporaries):
        with suppress(OSError):  # gone by now, not ours to open, or no folder
            if orphan.is_symlink() or not (lock := take(orphan / LOCK)):
                continue
            doomed = orphan.with_name(f"{_mine()}{uuid.uuid4().hex[:8]}.swept")
            try:
                if lock.sure:  # without locks a live process could not be told
                    # Under its name, a process that has just made it could still begin to use it.
                    orphan.rename(doomed)
                    _remove(doomed)
            finally:
                lock.release()
                _remove(doomed)


def _mine() -> str:
    """Return the prefix of this process's temporary names. It names the host, from which alone a lock is seen."""
    return f"{PREFIX}{_host()}-{os.getpid()}-"


@functools.cache
def _host() -> str:
    """Return a digest of this host's name, its start and its container: processes of one see each other's locks."""
    about = [platform.node()]
    with suppress(OSError):
        about.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        about.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(about).encode()).hexdigest()[:8]


def _remove(path: Path) -> None:
    with suppress(OSError):  # a folder that is not writable holds nothing of ours
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _disk_trouble(error: Exception) -> str | None:
    """Return what is wrong with the disk, or None if the error is about something else.

    polars wraps an operating-system error in its own class and keeps only the text, or not even that.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in _ADVICE:
        return _ADVICE[number]
    text = str(error)
    for code, reason in _ADVICE.items():
        if os.strerror(code) in text or f"os error {code})" in text:
            return reason
    if "Invalid thrift: transport error" in text:
        return _CUT_SHORT
    return f"{error}".replace("{", "{{").replace("}", "}}") if isinstance(error, OSError) else None
