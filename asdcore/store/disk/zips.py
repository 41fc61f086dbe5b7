"""Read zip files that may be damaged in any way, by accident or on purpose; write some that are always the same."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from asdcore.store.disk.atomic import atomic_path

BLOCK = 1 << 20
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time of every member that is written, so that the same members always give the same file."""

Content = bytes | Path
"""The content of a member: its bytes, or the file that holds them."""


class DamagedError(Exception):
    """A zip file is unreadable; the message says why."""


def write_stored(path: Path, members: Iterable[tuple[str, Content]]) -> None:
    """Write members into a zip file, in their order, as they are: not compressed, and at one time for all."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
        for name, held in members:
            info = zipfile.ZipInfo(name, MOMENT)
            info.external_attr = 0o644 << 16
            with (
                packed.open(info, "w", force_zip64=True) as target,
                BytesIO(held) if isinstance(held, bytes) else held.open("rb") as source,
            ):
                shutil.copyfileobj(source, target)


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; raises DamagedError if it is not one."""
    with _damage():
        opened = zipfile.ZipFile(path)
    with opened:
        yield opened


def blocks_of(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member in blocks; raises DamagedError if it is not complete."""
    with _damage():
        packed = opened.open(member)
    with packed:
        while True:
            with _damage():
                block = packed.read(BLOCK)
            if not block:
                return
            yield block


def unreadable(path: Path) -> str | None:
    """Return why a zip file is unreadable, or None if every member has its CRC."""
    try:
        with opened_zip(path) as opened:
            for member in opened.infolist():
                if not member.flag_bits & 1:  # an encrypted member cannot be checked without its password
                    for _ in blocks_of(opened, member):
                        pass
    except DamagedError as error:
        return str(error)
    return None


@contextmanager
def _damage() -> Iterator[None]:
    """Turn any error of the libraries on broken bytes into DamagedError: zlib, bz2 and lzma have one class each."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise DamagedError(str(error) or type(error).__name__) from error
