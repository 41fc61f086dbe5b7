"""Read zip files that may be damaged in any way, by accident or on purpose."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 1 << 20


class DamagedError(Exception):
    """A zip file is unreadable; the message says why."""


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
