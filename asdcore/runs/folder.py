"""Read a run folder: the tables of one run, and ``run.json``, which says what ran.

``run.json`` is written last and holds its own digest and that of every table, so a run is finished if and only if the
file is there, and a changed table shows. ``portfolio.json`` is the portfolio with every default spelled out: it can be
run again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.errors import DataError, PortfolioError, StoreError
from asdcore.portfolio import parse_portfolio
from asdcore.runs.record import RunRecord, check_record
from asdcore.store.digests.sealed_json import FIELD, is_sealed
from asdcore.store.tables import CALIBRATED, CLIP_INDEX, DECISIONS, SCORES, SYSTEMS, Table, read_digested

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
        frame, digest = read_digested(TABLES[name], self.path_of(name), self._repair)
        self.check_table(name, digest, set(frame["system"].unique()) if "system" in frame.columns else set())
        return frame

    def path_of(self, name: str) -> Path:
        """Return the file of a table."""
        return self.folder / f"{name}.parquet"

    def check_table(self, name: str, digest: str, systems: set[str]) -> None:
        """Raise StoreError unless a table with that digest, and rows of those systems, is the run's own."""
        path = self.path_of(name)
        if digest != self.about["tables"][name]:
            raise StoreError(f"{path} is not the table that {RUN_FILE} names. {self._repair}")
        if strange := sorted(systems - set(self.about["portfolio"]["systems"])):
            raise StoreError(
                f"{path} has rows of {strange[0]!r}, which is not a system of the portfolio. {self._repair}"
            )

    @property
    def _repair(self) -> str:
        return f"Run the portfolio again into {self.folder}."


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
