"""Write a run folder, and refuse to write over files that no run wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.errors import StoreError
from asdcore.runs.folder import (
    EVALUATION_FILE,
    PORTFOLIO_FILE,
    REPORT_FILE,
    RUN_FILE,
    SCHEMA,
    TABLES,
    Run,
    load_run,
)
from asdcore.store.digests.own_files import (
    JOURNAL,
    is_damaged_table,
    is_noted,
    is_portfolio,
    is_record,
    is_table,
    read_journal,
    write_journal,
)
from asdcore.store.digests.sealed_json import FIELD, is_sealed_file, is_sealed_page, seal, unsealed
from asdcore.store.disk.atomic import check_writable, fresh_folder, json_text, write_bytes, write_json
from asdcore.store.tables import write_table

PROOFS: dict[str, Callable[[Path], bool]] = {
    **{f"{name}.parquet": is_table for name in TABLES},
    PORTFOLIO_FILE: is_portfolio,
    RUN_FILE: is_record,
    EVALUATION_FILE: is_sealed_file,
    REPORT_FILE: is_sealed_page,
}
"""Every file of a run, and the check that asdcore wrote it."""


def write_run(
    folder: Path, tables: dict[str, pl.DataFrame], about: dict[str, Any], beside: Callable[[Path], None] | None = None
) -> Run:
    """Write a run beside its folder, then move it in, ``run.json`` last.

    A full disk leaves an earlier run as it was, and a kill between two moves leaves no run that looks finished.
    ``beside`` is called with a folder, to write further folders of the run into it. Raises StoreError if a file would
    be replaced that no run wrote.
    """
    with fresh_folder(folder) as stage:
        digests = {name: write_table(TABLES[name], frame, stage / f"{name}.parquet") for name, frame in tables.items()}
        about = {"schema": SCHEMA, **about, "tables": digests, FIELD: unsealed()}
        write_json(stage / PORTFOLIO_FILE, about["portfolio"])
        write_bytes(stage / RUN_FILE, seal(json_text(about).encode()))
        if beside:
            beside(stage)
        _move_in(stage, folder)
    return load_run(folder)


def _move_in(stage: Path, folder: Path) -> None:
    """Move a complete run into its folder. It replaces only files of a run, whose digests are noted first."""
    folders = sorted(path.name for path in stage.iterdir() if path.is_dir())
    folder.mkdir(parents=True, exist_ok=True)
    _check_files(folder, folders)  # again, for the work before this may have taken hours
    write_journal(stage / JOURNAL, folder, [*PROOFS, *folders], stage)
    (stage / JOURNAL).replace(folder / JOURNAL)
    for earlier in (RUN_FILE, EVALUATION_FILE, REPORT_FILE):
        (folder / earlier).unlink(missing_ok=True)
    for name in (name for name in PROOFS if name != RUN_FILE and (stage / name).exists()):
        (stage / name).replace(folder / name)
    for name in folders:
        if (folder / name).exists():
            (folder / name).replace(stage / f"earlier {name}")
        (stage / name).replace(folder / name)
    (stage / RUN_FILE).replace(folder / RUN_FILE)
    (folder / JOURNAL).unlink()


def write_evaluation(folder: Path, evaluation: dict[str, Any]) -> None:
    """Write the evaluation of a run or of trials into its folder, sealed."""
    check_evaluation(folder)
    content = json_text({**evaluation, FIELD: unsealed()}).encode()
    write_bytes(folder / EVALUATION_FILE, seal(content))


def check_evaluation(folder: Path) -> None:
    """Raise StoreError if an evaluation would replace a file that no evaluation wrote."""
    path = folder / EVALUATION_FILE
    if (path.exists() or path.is_symlink()) and not is_sealed_file(path):
        raise StoreError(
            f"{path} was not written by an evaluation, or was changed since, so it is not written over. Move it away, "
            "then evaluate again."
        )


def check_out(folder: Path, folders: Iterable[str] = ()) -> None:
    """Raise StoreError if a run would be written among or over other files, or over an inference.

    folders : names of further folders that the run will write.
    """
    check_writable(folder)
    if not folder.is_dir():
        return
    record = folder / RUN_FILE
    with suppress(OSError, ValueError, TypeError, RecursionError):
        if record.is_file() and "manifest" in json.loads(record.read_bytes()):
            raise StoreError(f"{folder} holds a finished inference, so it is not written over. Choose another --out.")
    _check_files(folder, folders)


def _check_files(folder: Path, folders: Iterable[str]) -> None:
    """Raise StoreError if a run would be written among or over files that no run wrote."""
    journal, record = read_journal(folder / JOURNAL), folder / RUN_FILE
    if journal is None and ((folder / JOURNAL).exists() or (folder / JOURNAL).is_symlink()):
        raise StoreError(
            f"{folder / JOURNAL} was not written by a run, or was changed since, so it is not written over. Move it "
            "away, or choose another --out."
        )
    of_a_run = journal is not None or is_record(record)
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    asked = there & {*PROOFS, *folders} if of_a_run else there
    strange = sorted(name for name in asked if not _is_ours(folder / name, journal or {}, of_a_run))
    if strange and of_a_run:
        raise StoreError(
            f"{folder / strange[0]} was not written by a run, or was changed since, so it is not written over. "
            "Move it away, or choose another --out."
        )
    if strange:
        raise StoreError(
            f"{folder} holds files that no run wrote, such as {strange[0]}. Choose an empty or new folder with --out."
        )


def _is_ours(path: Path, journal: dict[str, list[str]], of_a_run: bool) -> bool:
    """Whether a run wrote this file or folder. In a run's folder damaged tables are its own, too."""
    if is_noted(path, path.parent, journal):
        return True
    if path.name not in PROOFS or not path.is_file():
        return False
    if path.name == PORTFOLIO_FILE and not (of_a_run or is_table(path.with_name("clips.parquet"))):
        return False  # a person may have copied it here, to run it again
    return PROOFS[path.name](path) or (of_a_run and path.suffix == ".parquet" and is_damaged_table(path))
