"""A run folder: the tables of one run, and ``run.json``, which says what ran and holds the digest of every table.

``run.json`` is written last and knows its own digest. A folder without it is no finished run; a table that does not
have the digest it names is not the table of that run. ``portfolio.json`` is the portfolio with every default spelled
out: it can be run again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.errors import DataError, StoreError
from asdcore.store.atomic import check_writable, fresh_folder, json_text, write_bytes, write_json
from asdcore.store.digest import table_digest
from asdcore.store.seal import FIELD, is_sealed, seal, unsealed
from asdcore.store.tables import CALIBRATED, CLIP_INDEX, DECISIONS, SCORES, SYSTEMS, Table, read_table, write_table

TABLES: dict[str, Table] = {
    "clips": CLIP_INDEX,
    "scores": SCORES,
    "calibrated": CALIBRATED,
    "systems": SYSTEMS,
    "decisions": DECISIONS,
}
RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE = "run.json", "portfolio.json", "evaluation.json"
REPORT_FILE = "report.html"
SCHEMA = 3
"""Of ``run.json`` and the tables. 3: the clip index knows order and recordings."""

VOLATILE = ("data", "seconds", "store", FIELD)
"""What in ``run.json`` may differ between two runs with the same result: where things lay, and how long it took."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, what ``run.json`` says, and its tables (polars frames, read when asked for)."""

    folder: Path
    about: dict[str, Any] = field(repr=False)

    @property
    def meaning(self) -> dict[str, Any]:
        """What ``run.json`` says that every run with the same result must say too."""
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
        frame = read_table(TABLES[name], path, repair)
        if table_digest(frame, TABLES[name].key) != self.about["tables"][name]:
            raise StoreError(f"{path} is not the table that {RUN_FILE} names. {repair}")
        return frame


def load_run(folder: str | Path) -> Run:
    """Open a finished run folder."""
    path = Path(folder) / RUN_FILE
    try:
        if path.exists() and not path.is_file():  # a pipe could be read for ever
            raise ValueError("it is no regular file")
        content = path.read_bytes()
        return Run(Path(folder), _checked(json.loads(content.decode()), content))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} is no finished run: it has no {RUN_FILE}. "
            f"Make one with 'asdcore run PORTFOLIO --data ROOT --out {folder}'."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read ({error}). Run the portfolio again into {folder}.") from error


def _checked(about: Any, content: bytes) -> dict[str, Any]:
    """Return what ``run.json`` says, or raise ValueError where it is not what a run writes."""
    if isinstance(about, dict) and about.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {about.get('schema')}, this asdcore reads {SCHEMA}")
    if not is_sealed(content):
        raise ValueError("it has changed since it was written")
    kinds = {"schema": int, "portfolio": dict, "task": str, "year": int, "data": str, "store": str, "tables": dict}
    if not isinstance(about, dict):
        raise ValueError("it holds no table of keys")
    for key, kind in kinds.items():
        if not isinstance(about.get(key), kind):
            raise ValueError(f"{key} is {about.get(key)!r}")
    if set(about["tables"]) != set(TABLES):
        raise ValueError(f"tables names {', '.join(sorted(about['tables']))}")
    return about


def write_run(
    folder: Path, tables: dict[str, pl.DataFrame], about: dict[str, Any], beside: Callable[[Path], None] | None = None
) -> Run:
    """Write everything beside the folder, then move it in, ``run.json`` last.

    So a full disk leaves an earlier run as it was, and a kill between two moves leaves no run that looks finished.
    ``beside`` is called with a folder to write more into: folders that belong to the run.
    """
    with fresh_folder(folder) as stage:
        digests = {name: write_table(TABLES[name], frame, stage / f"{name}.parquet") for name, frame in tables.items()}
        about = {"schema": SCHEMA, **about, "tables": digests, FIELD: unsealed()}
        write_json(stage / PORTFOLIO_FILE, about["portfolio"])
        write_bytes(stage / RUN_FILE, seal(json_text(about).encode()))
        if beside:
            beside(stage)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN_FILE).unlink(missing_ok=True)
        for earlier in (EVALUATION_FILE, REPORT_FILE):
            (folder / earlier).unlink(missing_ok=True)
        # Tables first: by them a folder that a kill leaves half filled is known as a run's.
        for name in (*(f"{name}.parquet" for name in tables), PORTFOLIO_FILE):
            (stage / name).replace(folder / name)
        for more in sorted(one for one in stage.iterdir() if one.is_dir()):
            shutil.rmtree(folder / more.name, ignore_errors=True)
            more.replace(folder / more.name)
        (stage / RUN_FILE).replace(folder / RUN_FILE)
    return load_run(folder)


def check_out(folder: Path) -> None:
    """Refuse to write a run among files that are not a run's, or over an inference."""
    check_writable(folder)
    if not folder.is_dir():
        return
    with suppress(OSError, ValueError, TypeError, RecursionError):
        if (folder / RUN_FILE).is_file() and "manifest" in json.loads((folder / RUN_FILE).read_bytes()):
            raise StoreError(f"{folder} holds a finished inference, which is not written over. Choose another --out.")
    ours = {RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE, REPORT_FILE, *(f"{name}.parquet" for name in TABLES)}
    found = {one.name for one in folder.iterdir() if not one.name.startswith(".")}
    if found and not found & ours:
        raise StoreError(f"{folder} holds files that are no run's. Choose an empty or new folder with --out.")
