"""Hold a folder for one writing process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asdcore.errors import StoreError
from asdcore.store.disk.atomic import disk_trouble
from asdcore.store.disk.file_locks import Lock, take
from asdcore.store.disk.lock_holder import holder, in_words, is_ours, lives_elsewhere, written

CLAIM = ".asdcore-writing.lock"
"""The file that is locked while a process writes to the folder, and removed afterwards."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for this process alone; an empty one is removed at the end.

    Raises StoreError, which names the other, if another process holds it, on this host or on one that shares the disk.
    """
    with disk_trouble(folder):
        lock, made = _claim(folder)
    if lock is None:
        other = holder(folder / CLAIM)
    elif other := lives_elsewhere(lock):
        lock.release()
    if lock is None or other:
        _unmake(made)
        raise StoreError(
            f"Another process is writing to {folder}{in_words(other)}. Wait until it is done, or choose another folder "
            "with --out."
        )
    try:
        with written(lock):
            yield
    finally:
        with suppress(OSError):
            if is_ours(lock.path):
                lock.remove()
        lock.release()
        _unmake(made)


def _claim(folder: Path) -> tuple[Lock | None, list[Path]]:
    """Return the lock of a folder (None: another holds it), and which folders were made for it, the inmost first."""
    made: list[Path] = []
    while True:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        made = [*missing, *(place for place in made if place not in missing)]
        # Whoever held it before may just have removed it as empty: before it is made here, or after.
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return take(folder / CLAIM), made
        except FileNotFoundError:
            continue
        except FileExistsError:
            if folder.exists() or folder.is_symlink():
                raise


def _unmake(folders: list[Path]) -> None:
    with suppress(OSError):  # not empty: another process needs it
        for folder in folders:
            folder.rmdir()
