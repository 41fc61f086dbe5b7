"""Takes results that were obtained elsewhere into the ledger: what was tried without success stays known.

A row of the table is one system on one set of labels. ``set`` (what data), ``system`` and ``official_score`` are
needed; ``what``, ``year``, ``mean_auc``, ``mean_pauc``, ``hypothesis``, ``verdict`` (rejected, unless the row says
kept) and ``because`` may stand beside them. Scores are fractions. Somebody has looked at the labels for it, so each row
is a look, at the labels of its set; a row that is there already is not taken twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.basics.spreadsheets import read_spreadsheet
from asdcore.basics.table_files import read_foreign_parquet
from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.ledger import read_ledger, record_look, record_verdict
from asdcore.evidence.look import Look, Verdict, results_in, truth_in
from asdcore.store.cache import Store, default_store
from asdcore.store.digests.digest import recipe_digest
from asdcore.store.digests.hash_chain import Line

NEEDED = ("set", "system", "official_score")
SCORES = ("official_score", "mean_auc", "mean_pauc")
COLUMNS = (*NEEDED, "what", "year", "mean_auc", "mean_pauc", "hypothesis", "verdict", "because")


def import_results(table: str | Path, *, store: str | Path | None = None) -> tuple[int, int]:
    """Append the results of a table to the ledger of a store.

    Parameters
    ----------
    table : str or pathlib.Path
        A .csv or .parquet file with the columns set, system and official_score, and perhaps what, year, mean_auc,
        mean_pauc, hypothesis, verdict and because. Scores are fractions in [0, 1].
    store : str or pathlib.Path, optional
        The store's folder; the per-user store by default.

    Returns
    -------
    added, known : int
        How many rows were appended, and how many were in the ledger already.

    Raises
    ------
    EvaluationError
        If the table is unreadable, a column is missing or unknown, a row is wrong, or a system has another score on
        the same set than in an earlier row or in the ledger, under the same ``what``. Nothing is appended then.

    Examples
    --------
    >>> with open("tried.csv", "w") as file:
    ...     print("set,system,official_score,because", file=file)
    ...     print("plant,by level,0.52,hears loudness alone", file=file)
    >>> asdcore.import_results("tried.csv")
    (1, 0)
    >>> asdcore.import_results("tried.csv")
    (0, 1)
    """
    path = given_path(table, "the table")
    log = Store(default_store() if store is None else given_path(store, "store")).looks
    rows = [_checked(row, f"{path}, row {number}") for number, row in enumerate(_read(path), 1)]
    looks = read_ledger(log).looks
    there = {line.entry.get("evaluated") for line in looks}
    _check_scores(rows, looks, path)
    added = 0
    for row in rows:
        digest = recipe_digest({"imported": row})
        if digest in there:
            continue
        there.add(digest)
        added += 1
        result = {"official_score": row["official_score"], "ci95": None}
        result |= {name: row[name] for name in ("mean_auc", "mean_pauc")}
        truth = recipe_digest({"labels of": row["set"]})
        look = Look(row["what"], truth, digest, row["year"], {row["system"]: result}, hypothesis=row["hypothesis"])
        record_look(log, look)
        (line,) = [line for line in read_ledger(log).looks if line.entry.get("evaluated") == digest]
        record_verdict(log, str(line.number), cast("Verdict", row["verdict"]), row["because"], row["system"])
    return added, len(rows) - added


def _check_scores(rows: Sequence[Mapping[str, Any]], looks: Sequence[Line], path: Path) -> None:
    """Raise EvaluationError if one result, by what, set and system, has two scores: in the table, or in the ledger."""
    scores: dict[tuple[str, str, str], tuple[float, str]] = {}
    for line in looks:
        for system, figures in results_in(line).items():
            key = str(line.entry.get("what")), str(truth_in(line)), system
            scores[key] = figures["official_score"], f"line {line.number} of the ledger"
    for number, row in enumerate(rows, 1):
        score, key = row["official_score"], (row["what"], recipe_digest({"labels of": row["set"]}), row["system"])
        before, where = scores.setdefault(key, (score, f"row {number}"))
        if before != score:
            raise EvaluationError(
                f"{path}, row {number}: {row['system']} on {row['set']} has {score:g} here and {before:g} in {where}. "
                "If they are two trials, tell them apart in the column what; if one is wrong, correct it or take the "
                "row out. Nothing was appended."
            )


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        frame = read_foreign_parquet(path) if path.suffix == ".parquet" else read_spreadsheet(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise EvaluationError(
            f"{path} cannot be read as a table ({str(error).splitlines()[0]}). A .csv or .parquet file with the "
            f"columns {', '.join(NEEDED)} is allowed."
        ) from None
    if missing := [name for name in NEEDED if name not in frame.columns]:
        raise EvaluationError(f"{path} lacks the column {missing[0]}; needed are {', '.join(NEEDED)}.")
    if unknown := [name for name in frame.columns if name not in COLUMNS]:
        raise EvaluationError(f"{path} has a column {unknown[0]!r}. {did_you_mean(unknown[0], COLUMNS)}")
    if frame.is_empty():
        raise EvaluationError(f"{path} has no rows. Give each result that was tried a row.")
    return frame.to_dicts()


def _checked(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a row with every column, as the ledger keeps it."""
    texts = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    if empty := [name for name in NEEDED if not texts[name]]:
        raise EvaluationError(f"{where}: {empty[0]} is empty. Every result needs {', '.join(NEEDED)}.")
    verdict = texts["verdict"] or "rejected"
    if verdict not in get_args(Verdict):
        raise EvaluationError(f"{where}: there is no verdict {verdict!r}. {did_you_mean(verdict, get_args(Verdict))}")
    scores = {name: _score(texts[name], name, where) for name in SCORES}
    year = texts["year"]
    if year and not year.isdecimal():
        raise EvaluationError(f"{where}: year is {year!r}; a challenge year such as 2026 is allowed, or nothing.")
    others = {name: texts[name] or None for name in ("hypothesis", "because")}
    named = {"set": texts["set"], "system": texts["system"], "what": texts["what"] or f"imported, {texts['set']}"}
    return {**named, **scores, "year": int(year) if year else None, "verdict": verdict, **others}


def _score(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= 1.0:
        percent = f" {value:g} % is {value / 100:g}." if 1 < value <= 100 else ""
        raise EvaluationError(f"{where}: {name} is {text}; a fraction in [0, 1] is allowed.{percent}")
    return value
