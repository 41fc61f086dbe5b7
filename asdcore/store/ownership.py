"""Whose file is this? Only what asdcore wrote itself is ever written over or removed, and that must show.

A table has its digest in its metadata; ``run.json`` and ``evaluation.json`` are sealed, as is a report. Of everything
else that belongs to a run, :data:`JOURNAL` knows the digests as long as files are moved into a folder: after a kill in
the middle, it shows what may be replaced. Tables for a paper have no place for a seal: :data:`NOTES` beside them does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from asdcore.errors import StoreError
from asdcore.store.atomic import check_writable, json_text, write_bytes, write_text
from asdcore.store.digest import TABLE_ALGORITHM, bytes_digest, file_digest
from asdcore.store.seal import FIELD, is_sealed, seal, unsealed, was_sealed

JOURNAL, NOTES = ".asdcore-unfinished.json", ".asdcore-tables.json"


def is_table(path: Path) -> bool:
    """Whether a file is a Parquet file that asdcore wrote."""
    try:
        return path.is_file() and TABLE_ALGORITHM in pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return False


def is_damaged_table(path: Path) -> bool:
    """Whether a file was Parquet once and cannot be read now; or is empty."""
    with path.open("rb") as file:
        begins = file.read(4)
    if begins not in (b"PAR1", b""):
        return False
    try:
        pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return True
    return False


def is_record(path: Path) -> bool:
    """Whether a file is a ``run.json``, perhaps changed since a run wrote it."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return not content or (was_sealed(content) and b'"portfolio"' in content and b'"tables"' in content)


def is_portfolio(path: Path) -> bool:
    """Whether a file is in the form in which a run writes its portfolio: every default spelt out, keys sorted."""
    with suppress(OSError, ValueError, RecursionError):
        content = path.read_bytes() if path.is_file() else b""
        about = json.loads(content)
        spelt_out = isinstance(about, dict) and {"name", "branches", "systems", "decision", "folds"} <= set(about)
        return spelt_out and content == json_text(about).encode()
    return False


def write_journal(place: Path, folder: Path, names: Iterable[str], stage: Path) -> None:
    """Write down, into the file ``place``, every file of ``names`` as it is in a folder, and as it will be.

    ``names`` are of files and of folders, in ``folder`` or in ``stage`` or in both.
    """
    known: dict[str, list[str]] = {}
    for top in (folder, stage):
        for name in names:
            for file in _files(top / name):
                known.setdefault(file.relative_to(top).as_posix(), []).append(file_digest(file))
    _write_journal(place, known)


def read_journal(path: Path) -> dict[str, list[str]] | None:
    """Return {name: the digests that it may have} of what was written, or half written, beside ``path``.

    None where there is no such file, or not the one that was sealed.
    """
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        content = path.read_bytes() if path.is_file() else b""
        if is_sealed(content):
            return {str(name): list(digests) for name, digests in json.loads(content)["files"].items()}
    return None


def is_noted(path: Path, folder: Path, journal: Mapping[str, list[str]]) -> bool:
    """Whether a file, or every file of a folder, is one that the journal of ``folder`` knows."""
    files = _files(path)
    return bool(files) and all(
        file.is_file()
        and not file.is_symlink()
        and file_digest(file) in journal.get(file.relative_to(folder).as_posix(), ())
        for file in files
    )


def write_noted(folder: Path, texts: Mapping[str, str], option: str) -> None:
    """Write text files into a folder of a person's, and note their digests in :data:`NOTES` there.

    Raises StoreError where a file is there that was not written so; ``option`` is what names the folder.
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
    """Raise StoreError where one of these files is there and :func:`write_noted` did not write it as it is."""
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
                f"{path} is there, and is not what asdcore wrote or was changed since, so it is not written over. Move "
                f"it away, or choose another folder with {option}."
            )


def _write_journal(path: Path, known: Mapping[str, list[str]]) -> None:
    write_bytes(path, seal(json_text({"files": known, FIELD: unsealed("asdcore")}).encode()))


def _files(path: Path) -> list[Path]:
    """Return a file, or everything below a folder that is no folder itself."""
    if path.is_dir() and not path.is_symlink():
        return [one for one in sorted(path.rglob("*")) if one.is_symlink() or not one.is_dir()]
    return [path] if path.exists() or path.is_symlink() else []
