"""Read and write a run folder: the tables of one run, and ``run.json``, which says what ran.

``run.json`` is written last and holds its own digest and that of every table, so a run is finished if and only if the
file is there, and a changed table shows. ``portfolio.json`` is the portfolio with every default spelled out: it can be
run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.errors import DataError, PortfolioError, StoreError
from asdcore.portfolio import parse_portfolio
from asdcore.runs.record import RunRecord, check_record
from asdcore.store.atomic import check_writable, fresh_folder, json_text, write_bytes, write_json
from asdcore.store.own_files import (
    JOURNAL,
    is_damaged_table,
    is_noted,
    is_portfolio,
    is_record,
    is_table,
    read_journal,
    write_journal,
)
from asdcore.store.sealed_json import FIELD, is_sealed, is_sealed_file, is_sealed_page, seal, unsealed
from asdcore.store.tables import CALIBRATED, CLIP_INDEX, DECISIONS, SCORES, SYSTEMS, Table, read_digested, write_table

TABLES: dict[str, Table] = {
    "clips": CLIP_INDEX,
    "scores": SCORES,
    "calibrated": CALIBRATED,
    "systems": SYSTEMS,
    "decisions": DECISIONS,
}
RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE = "run.json", "portfolio.json", "evaluation.json"
REPORT_FILE, TRIALS_FILE = "report.html", "trials.json"
SCHEMA = 3
"""Of ``run.json`` and the tables. 3: the clip index knows order and recordings."""

PROOFS: dict[str, Callable[[Path], bool]] = {
    **{f"{name}.parquet": is_table for name in TABLES},
    PORTFOLIO_FILE: is_portfolio,
    RUN_FILE: is_record,
    EVALUATION_FILE: is_sealed_file,
    REPORT_FILE: is_sealed_page,
}
"""Every file of a run, and the check that asdcore wrote it."""

VOLATILE = ("data", "processor", "seconds", "store", FIELD)
"""What in ``run.json`` may differ between two runs with the same result: where things lay, on what, and how long."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its record and its tables, polars frames that are read on first use.

    :func:`asdcore.run`, :func:`asdcore.infer` and :func:`asdcore.load_run` return one.

    Attributes
    ----------
    folder : Path
        The run folder.
    about : dict
        The content of ``run.json``: portfolio, task, data, versions, digests, notes.

    Examples
    --------
    >>> run = asdcore.load_run("runs/first")
    >>> run.about["portfolio"]["name"]
    'logmel-knn'
    >>> run.decisions.columns
    ['clip', 'system', 'score', 'threshold', 'decision']
    """

    folder: Path
    about: dict[str, Any] = field(repr=False)

    @classmethod
    def held(cls, folder: Path, about: dict[str, Any], tables: dict[str, pl.DataFrame]) -> Run:
        """Return a run whose tables are in memory only."""
        made = cls(folder, about)
        vars(made).update(tables)
        return made

    @property
    def meaning(self) -> dict[str, Any]:
        """The part of ``run.json`` that is the same for every run with the same result."""
        return {key: value for key, value in self.about.items() if key not in VOLATILE}

    @cached_property
    def clips(self) -> pl.DataFrame:
        """The clip index."""
        return self._table("clips")

    @cached_property
    def scores(self) -> pl.DataFrame:
        """The score table: every branch, reference and fold."""
        return self._table("scores")

    @cached_property
    def calibrated(self) -> pl.DataFrame:
        """The calibrated scores z."""
        return self._table("calibrated")

    @cached_property
    def systems(self) -> pl.DataFrame:
        """The fused scores: base, penalty and score of every system."""
        return self._table("systems")

    @cached_property
    def decisions(self) -> pl.DataFrame:
        """Threshold and decision of every test clip."""
        return self._table("decisions")

    def _table(self, name: str) -> pl.DataFrame:
        repair = f"Run the portfolio again into {self.folder}."
        path = self.folder / f"{name}.parquet"
        frame, digest = read_digested(TABLES[name], path, repair)
        if digest != self.about["tables"][name]:
            raise StoreError(f"{path} is not the table that {RUN_FILE} names. {repair}")
        systems = set(frame["system"].unique()) if "system" in frame.columns else set()
        if strange := sorted(systems - set(self.about["portfolio"]["systems"])):
            raise StoreError(f"{path} has rows of {strange[0]!r}, which is not a system of the portfolio. {repair}")
        return frame


def load_run(folder: str | Path) -> Run:
    """Open a finished run.

    Parameters
    ----------
    folder : path
        The run folder that :func:`asdcore.run` or :func:`asdcore.infer` wrote.

    Returns
    -------
    Run
        Its tables are read, and checked against their digests, on first use.

    Raises
    ------
    DataError
        If the folder holds no finished run.
    StoreError
        If ``run.json`` is damaged or was changed.

    Examples
    --------
    >>> run = asdcore.load_run("runs/first")
    >>> run.systems.columns
    ['clip', 'system', 'role', 'base', 'penalty', 'score']
    """
    home = given_path(folder, "the run folder")
    path = home / RUN_FILE
    try:
        if path.exists() and not path.is_file():  # a pipe could be read for ever
            raise ValueError("it is not a regular file")
        content = path.read_bytes()
        return Run(home, _checked(json.loads(content.decode(), parse_constant=_refuse), content))
    except (FileNotFoundError, NotADirectoryError):
        if (home / TRIALS_FILE).is_file():
            trials = sorted(str(path.parent) for path in home.glob(f"*/{RUN_FILE}"))
            raise DataError(f"{folder} holds trials. Name one of them: {', '.join(trials)}.") from None
        raise DataError(
            f"{folder} is not a finished run: it has no {RUN_FILE}. "
            f"Make one with 'asdcore run PORTFOLIO --data ROOT --out {folder}'."
        ) from None
    except (OSError, ValueError, RecursionError, PortfolioError) as error:
        raise StoreError(f"{path} cannot be read ({error}). Run the portfolio again into {folder}.") from error


def _checked(about: Any, content: bytes) -> dict[str, Any]:
    """Return the content of ``run.json``; raises ValueError if no run wrote it."""
    if isinstance(about, dict) and about.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {about.get('schema')}, this asdcore reads {SCHEMA}")
    if not is_sealed(content):
        raise ValueError("it has changed since it was written")
    check_record(about, SCHEMA, set(TABLES))
    parse_portfolio(about["portfolio"])
    return RunRecord(about)


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is not a number")


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
