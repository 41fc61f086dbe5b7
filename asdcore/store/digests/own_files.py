"""Recognize files that asdcore wrote: only those are ever written over or removed.

A table has its digest in its metadata; ``run.json``, ``evaluation.json`` and reports are sealed. While a run is moved
into a folder, :data:`JOURNAL` holds the digests of all its files: after a kill in the middle, it shows what may be
replaced. Tables for a paper have no place for a seal, so :data:`NOTES` beside them holds their digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from asdcore.basics.table_files import parquet_metadata, parquet_schema
from asdcore.errors import StoreError
from asdcore.store.digests.digest import TABLE_ALGORITHM, bytes_digest, file_digest
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed, was_sealed
from asdcore.store.disk.atomic import check_writable, json_text, write_bytes, write_text

JOURNAL, NOTES = ".asdcore-unfinished.json", ".asdcore-tables.json"


def is_table(path: Path) -> bool:
    """Whether a file is a Parquet file that asdcore wrote."""
    try:
        return path.is_file() and TABLE_ALGORITHM in parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        return False


def is_damaged_table(path: Path) -> bool:
    """Whether a file is empty, or begins like Parquet and is unreadable."""
    with path.open("rb") as file:
        begins = file.read(4)
    if begins not in (b"PAR1", b""):
        return False
    try:
        parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError):
        return True
    return False


def is_record(path: Path) -> bool:
    """Whether a file is a ``run.json``, perhaps changed since a run wrote it."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return not content or (was_sealed(content) and b'"portfolio"' in content and b'"tables"' in content)


def is_portfolio(path: Path) -> bool:
    """Whether a file has the form in which a run writes its portfolio: every default spelled out, keys sorted."""
    with suppress(OSError, ValueError, RecursionError):
        content = path.read_bytes() if path.is_file() else b""
        about = json.loads(content)
        spelt_out = isinstance(about, dict) and {"name", "branches", "systems", "decision", "folds"} <= set(about)
        return spelt_out and content == json_text(about).encode()
    return False


def write_journal(place: Path, folder: Path, names: Iterable[str], stage: Path) -> None:
    """Write to the file ``place`` the digests of files, as they are in ``folder`` and as they will be from ``stage``.

    ``names`` are files and folders in ``folder``, in ``stage`` or in both.
    """
    digests: dict[str, list[str]] = {}
    for top in (folder, stage):
        for name in names:
            for file in _files(top / name):
                digests.setdefault(file.relative_to(top).as_posix(), []).append(file_digest(file))
    _write_journal(place, digests)


def read_journal(path: Path) -> dict[str, list[str]] | None:
    """Return {name: the digests that it may have} of the files beside ``path``, the journal or notes.

    None if there is no journal, or its seal is broken.
    """
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        content = path.read_bytes() if path.is_file() else b""
        if is_sealed(content):
            return {str(name): list(digests) for name, digests in json.loads(content)["files"].items()}
    return None


def is_noted(path: Path, folder: Path, journal: Mapping[str, list[str]]) -> bool:
    """Whether the journal of ``folder`` holds the digest of a file, or of every file of a folder."""
    name = path.relative_to(folder).as_posix()
    if not any(noted == name or noted.startswith(f"{name}/") for noted in journal):
        return False  # a person's folder may hold millions of files: none of them is looked at
    files = _files(path)
    return bool(files) and all(
        file.is_file()
        and not file.is_symlink()
        and file_digest(file) in journal.get(file.relative_to(folder).as_posix(), ())
        for file in files
    )


def write_noted(folder: Path, texts: Mapping[str, str], option: str) -> None:
    """Write text files into a person's folder, and note their digests in :data:`NOTES` there.

    Raises StoreError if a file of that name was not written so. ``option`` is the command's option for the folder.
    """
    check_noted(folder, texts, option)
    written = read_journal(folder / NOTES) or {}
    digests = {name: [file_digest(folder / name)] if (folder / name).is_file() else [] for name in texts}
    for name, text in texts.items():
        digests[name].append(bytes_digest(text.encode()))
    _write_journal(folder / NOTES, written | digests)  # before the files: a kill leaves none that is not noted
    for name, text in texts.items():
        write_text(folder / name, text)


def check_noted(folder: Path, names: Iterable[str], option: str) -> None:
    """Raise StoreError if one of these files exists and is not as :func:`write_noted` wrote it."""
    check_writable(folder)
    written = read_journal(folder / NOTES)
    if written is None and ((folder / NOTES).exists() or (folder / NOTES).is_symlink()):
        raise StoreError(
            f"{folder / NOTES} is not what asdcore wrote, or was changed since, so it is not written over. Move it "
            f"away, or choose another folder with {option}."
        )
    for path in (folder / name for name in names):
        if (path.exists() or path.is_symlink()) and not is_noted(path, folder, written or {}):
            raise StoreError(
                f"{path} exists and was not written by asdcore, or was changed since, so it is not written over. Move "
                f"it away, or choose another folder with {option}."
            )


def _write_journal(path: Path, digests: Mapping[str, list[str]]) -> None:
    write_bytes(path, seal(json_text({"files": digests, FIELD: unsealed("asdcore")}).encode()))


def _files(path: Path) -> list[Path]:
    """Return a file, or every file and link below a folder."""
    if path.is_dir() and not path.is_symlink():
        return [file for file in sorted(path.rglob("*")) if file.is_symlink() or not file.is_dir()]
    return [path] if path.exists() or path.is_symlink() else []
