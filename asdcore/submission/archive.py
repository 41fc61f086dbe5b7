"""Read a submission's folder or zip without trusting it, and write a zip whose bytes depend only on its files.

A path that leads out of the submission (a link, ``..``, an absolute path) or is not a plain file is a problem and is
never opened, nor is a file too large for memory. Hidden files and ``__MACOSX`` are left out.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asdcore.errors import StoreError
from asdcore.evidence.labels.score_lines import Problem

READ = (".csv", ".yaml")
"""Endings of the files that are read; of other files only the name matters."""

MAX_FILES, MAX_BYTES, MAX_TOTAL = 4096, 4 << 20, 256 << 20
"""Limits: a submission has a few hundred files of about ten thousand bytes each."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a zip that asdcore writes: the earliest in the format."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError, EOFError, OSError, ValueError)
_HIDDEN = (".", "__MACOSX")


@dataclass
class Tree:
    """The files of a submission by relative POSIX path (None: not read), and the problems with them."""

    name: str
    files: dict[str, bytes | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, path: str) -> str:
        """Return a file's name for messages, always printable."""
        shown = f"{self.name}/{path}" if path else self.name
        return shown if shown.isprintable() else ascii(shown)

    def refuse(self, path: str, reason: str) -> None:
        """Note what is wrong with a file."""
        self.problems.append(Problem(self.where(path), None, reason))

    def too_much(self, count: int, size: int) -> bool:
        """Note a problem and return True if there are more files or bytes than a submission may have."""
        if count <= MAX_FILES and size <= MAX_TOTAL:
            return False
        excess = f"found {count} files, {size} bytes" if count <= MAX_FILES else f"found more than {MAX_FILES} files"
        self.refuse("", f"{excess}; allowed are {MAX_FILES} files and {MAX_TOTAL} bytes in all")
        return True


def read_tree(path: Path) -> Tree:
    """Read a submission's folder or zip; problems are collected in the result."""
    tree = Tree(str(path))
    if path.is_dir():
        _read_folder(path, tree)
    elif path.is_file():
        _read_zip(path, tree)
    else:
        tree.refuse("", "found neither a file nor a folder; allowed are files and folders")
    return tree


def pack(folder: Path) -> bytes:
    """Return a zip of a folder's files, without hidden ones and zips at its top; same files, same bytes."""
    tree = Tree(str(folder))
    files = {name: path for name, path in _plain_files(folder, tree) if "/" in name or not name.endswith(".zip")}
    if tree.problems:
        raise StoreError(f"{tree.problems[0]} Remove it, then run the command again.")
    return zip_bytes({name: path.read_bytes() for name, path in files.items()})


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """Return a zip of {relative POSIX path: content}, sorted, with fixed times and permissions, not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _read_folder(root: Path, tree: Tree) -> None:
    total = 0
    for name, path in _plain_files(root, tree):
        try:
            size = path.stat().st_size
            total += size
            if tree.too_much(len(tree.files) + 1, total):
                return
            tree.files[name] = path.read_bytes() if _is_read(name, size, tree) else None
        except OSError as error:
            tree.refuse(name, f"cannot be read ({error.strerror})")


def _plain_files(root: Path, tree: Tree) -> Iterator[tuple[str, Path]]:
    """Yield (relative name, path) of every file below ``root``; links and special files become problems."""

    def unreadable(error: OSError) -> None:
        tree.refuse(Path(error.filename).relative_to(root).as_posix(), f"cannot be read ({error.strerror})")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        for entry in (*folders, *sorted(name for name in names if not name.startswith(_HIDDEN))):
            path = Path(folder, entry)
            name, mode = path.relative_to(root).as_posix(), path.lstat().st_mode
            if not name.isprintable():
                tree.refuse(name, "its name has characters that cannot be printed; rename it")
            elif stat.S_ISLNK(mode):
                tree.refuse(name, "found a link; allowed are files and folders, put what it points to in its place")
            elif stat.S_ISREG(mode):
                yield name, path
            elif not stat.S_ISDIR(mode):
                tree.refuse(name, "found neither a file nor a folder; allowed are files and folders")


def _read_zip(path: Path, tree: Tree) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if tree.too_much(len(entries), sum(entry.file_size for entry in entries)):
                return
            for entry in _plain_entries(entries, tree):
                read = _is_read(entry.filename, entry.file_size, tree)
                tree.files[entry.filename] = _content(archive, entry, tree) if read else None
    except _DAMAGE as error:
        tree.refuse("", f"cannot be read as a zip ({error}); make it again with 'asdcore package'")


def _plain_entries(entries: list[zipfile.ZipInfo], tree: Tree) -> Iterator[zipfile.ZipInfo]:
    """Yield the files of a zip; entries that would be unpacked elsewhere, or over another, become problems."""
    seen: dict[str, str] = {}
    for entry in entries:
        name = entry.orig_filename  # as it stands in the zip: zipfile cuts names at a zero byte
        other = seen.setdefault(name.rstrip("/").casefold(), name)
        if reason := _entry_fault(entry):
            tree.refuse(name, reason)
        elif other is not name:
            tree.refuse(name, f"found twice in the zip, as {other!r} before; allowed is once")
        elif not (entry.is_dir() or any(part.startswith(_HIDDEN) for part in name.split("/"))):
            yield entry


def _entry_fault(entry: zipfile.ZipInfo) -> str | None:
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    if not name.isprintable():
        return "its name has characters that cannot be printed; rename it"
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name):
        return "found an absolute path or a backslash; allowed are names below the zip's top, with forward slashes"
    if any(part in ("", ".", "..") for part in name.removesuffix("/").split("/")):
        return "found a path that leads elsewhere; allowed are plain names below the zip's top"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "found a link or a special file; allowed are files and folders"
    return "found an encrypted file; allowed are files that anyone can read" if entry.flag_bits & 1 else None


def _is_read(name: str, size: int, tree: Tree) -> bool:
    if name.endswith(READ) and size > MAX_BYTES:
        tree.refuse(name, f"holds {size} bytes; allowed are {MAX_BYTES}")
    return name.endswith(READ) and size <= MAX_BYTES


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, tree: Tree) -> bytes | None:
    try:
        return archive.read(entry)
    except _DAMAGE as error:
        tree.refuse(entry.filename, f"cannot be unpacked ({error}); make the zip again with 'asdcore package'")
        return None
