"""Joins scores with ground truth and says what they are worth: the only module that may open the ground truth.

It reads through :mod:`asdcore.evidence.files` and matches through :mod:`asdcore.evidence.matching`: by clip name, never
by position (the official evaluators sort both and pair them off, so that a misspelt name gives a wrong score in
silence), and exactly the same clips. Anomaly scores are larger for more anomalous clips, labels are 0 (normal) or 1
(anomaly), domains "source" or "target", results fractions in [0, 1].
"""

from __future__ import annotations

import fcntl
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asdcore.errors import EvaluationError, StoreError, located
from asdcore.evidence.files import Section, read_scores, read_truth
from asdcore.evidence.matching import coverage, match_scores, raise_all
from asdcore.evidence.metrics import (
    DOMAINS,
    cells,
    diagnostics,
    harmonic_mean,
    official_score,
    precision_recall_f1,
    rule,
)
from asdcore.store.digest import table_digest

__all__ = [
    "Evaluation",
    "SystemResult",
    "evaluate_scores",
    "evaluate_systems",
    "evaluate_table",
    "read_scores",
    "read_truth",
    "record_look",
]

KEY = ("system", "machine", "section", "clip")
MEASURES = ("auc", "pauc")
DECISION_MEASURES = ("precision", "recall", "f1")
Cells = dict[str, Any]


@dataclass(frozen=True)
class SystemResult:
    """What one system is worth.

    cells : one row for each (machine, section): the official cells of the year, then what is not ranked: AUCs of other
        definitions, and precision, recall and F1 (of each domain's own clips) where the system has decisions.
    means : rows of auc, pauc (and precision, recall, f1): for each machine, then over all (``machine`` is None), the
        means "arithmetic", "harmonic", and by domain "source harmonic" and "target harmonic". A pAUC that spans both
        domains counts once for each, as in the official evaluators.
    """

    official_score: float
    cells: list[Cells]
    means: list[Cells]


@dataclass(frozen=True)
class Evaluation:
    """The results of every system under the rules of ``year``."""

    year: int
    systems: dict[str, SystemResult]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore evaluate --json`` prints; ``ci95`` is null while no interval is known."""
        return {
            "year": self.year,
            "systems": {
                name: {
                    "official_score": result.official_score,
                    "ci95": None,
                    "cells": result.cells,
                    "means": result.means,
                }
                for name, result in self.systems.items()
            },
        }


def evaluate_scores(scores: Path, truth: Path, year: int, log: Path | None = None) -> Evaluation:
    """Evaluate every system under ``scores`` (see :func:`read_scores`) against ``truth`` (see :func:`read_truth`).

    The look at the labels is written to ``log``. Raises EvaluationError that lists, for all systems, machines and
    sections at once, what does not fit.
    """
    rule(year)
    labels = read_truth(truth)
    table = match_scores(read_scores(scores), labels)
    if log is not None:
        evaluated = table_digest(table.select(*KEY, "score"), KEY)
        record_look(log, table_digest(labels, ("machine", "section", "clip")), evaluated, "score files")
    return evaluate_table(table, year)


def evaluate_systems(
    systems: pl.DataFrame, decisions: pl.DataFrame | None, clips: pl.DataFrame, truth: pl.DataFrame, year: int
) -> Evaluation:
    """Evaluate the test rows of a run.

    systems : clip, system, role, score. decisions : clip, system, decision; or None. clips : clip, machine, section,
    split. truth : clip, label, domain. Truth and every system must cover exactly the test clips.
    """
    test = clips.filter(pl.col("split") == "test").select("clip", "machine", "section")
    problems = coverage("The ground truth", truth["clip"], test["clip"], "no test clip of this run")
    for (system,), rows in systems.group_by("system", maintain_order=True):
        scored = rows.filter(pl.col("role") == "test")
        problems += coverage(f"System {system}", scored["clip"], test["clip"], "no test clip of this run")
        if decisions is not None:
            decided = decisions.join(scored, on=["clip", "system"], how="semi")
            problems += coverage(f"The decisions of system {system}", decided["clip"], scored["clip"], "not scored")
    raise_all("The ground truth, or a system, does not fit the test clips of this run.", problems)
    table = systems.filter(pl.col("role") == "test").select("clip", "system", "score").join(test, on="clip")
    table = table.join(truth.select("clip", "label", "domain"), on="clip")
    if decisions is not None:
        table = table.join(decisions.select("clip", "system", "decision"), on=["clip", "system"])
    return evaluate_table(table, year)


def evaluate_table(table: pl.DataFrame, year: int) -> Evaluation:
    """Evaluate rows of machine, section, clip, system, score, label, domain and perhaps decision.

    Every system must have a row for the same clips. ``domain`` may be null under the rules of 2020.
    """
    _check_table(table)
    systems = {}
    for (system,), rows in table.sort(KEY).group_by("system", maintain_order=True):
        found: dict[Section, Cells] = {}
        for (machine, section), clips in rows.group_by("machine", "section", maintain_order=True):
            with located(f"System {system}, {machine} section {section}"):
                found[machine, section] = {"machine": machine, "section": section, **_cells(clips, year)}
        systems[str(system)] = SystemResult(official_score(found, year), list(found.values()), _all_means(found))
    return Evaluation(year, systems)


def record_look(log: Path, truth_digest: str, evaluated_digest: str, what: str) -> int:
    """Append a look at the ground truth to ``log`` (JSON lines) and return how many looks at that truth it holds.

    A line that cannot be read counts as a look: the log may only overstate how often the labels were seen.
    """
    look = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "truth": truth_digest,
        "evaluated": evaluated_digest,
        "what": what,
    }
    line = (json.dumps(look, ensure_ascii=False) + "\n").encode()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab+", buffering=0) as file:  # opened for appending, unbuffered: one write, at the end
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = file.read()
            if before and not before.endswith(b"\n"):
                line = b"\n" + line  # the last line was cut short: keep this one apart from it
            written = file.write(line)
    except OSError as error:
        raise StoreError(
            f"Cannot write the log of looks {log}: {error}. Choose a folder you may write, with ASDCORE_STORE."
        ) from error
    if written != len(line):
        raise StoreError(f"Cannot write the log of looks {log}: the disk is full. Free some space.")
    return 1 + sum(_looked_at(one) in (truth_digest, None) for one in before.splitlines())


def count_looks(log: Path, evaluated_digest: str) -> dict[str, int]:
    """Count the looks at labels that ``log`` holds: at this result, at the labels it was held against, and all."""
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    looks = [_look(line) for line in lines]
    here = [look for look in looks if look.get("evaluated") == evaluated_digest]
    truths = {look.get("truth") for look in here}
    return {
        "at_this_result": len(here),
        "at_these_labels": sum(look.get("truth") in truths for look in looks) if truths else 0,
        "in_this_store": len(looks),
    }


def _look(line: bytes) -> dict[str, object]:
    try:
        look = json.loads(line)
    except ValueError:
        return {}
    return look if isinstance(look, dict) else {}


def _looked_at(line: bytes) -> str | None:
    truth = _look(line).get("truth")
    return None if truth is None else str(truth)


def _check_table(table: pl.DataFrame) -> None:
    """Raise where a row is doubled or lacks a value, or a system lacks a clip or a decision that it should have."""
    needed = [*KEY, "score", "label"]
    missing = sorted({*needed, "domain"} - set(table.columns))
    if missing or table.is_empty():
        raise EvaluationError(f"There is nothing to evaluate: missing columns {missing}, {len(table)} rows.")
    if table.select(needed).null_count().sum_horizontal().item():
        raise EvaluationError(f"A row lacks one of {', '.join(needed)}.")
    if table.select(KEY).is_duplicated().any():
        raise EvaluationError(f"Two rows have the same {', '.join(KEY)}.")
    total = table.select(KEY[1:]).n_unique()
    problems = []
    for (system,), rows in table.group_by("system", maintain_order=True):
        if len(rows) < total:
            problems.append(f"system {system} has scores of {len(rows)} clips, of {total}")
        undecided = rows["decision"].null_count() if "decision" in rows.columns else 0
        if 0 < undecided < len(rows):
            problems.append(f"system {system} has decisions on {len(rows) - undecided} clips, of {len(rows)}")
    raise_all("Every system must be evaluated on the same clips.", problems)


def _cells(clips: pl.DataFrame, year: int) -> Cells:
    """Return the official cells of one (machine, section), then the other AUCs, then precision, recall and F1."""
    scores, labels = clips["score"].to_numpy(), clips["label"].to_numpy()
    domains = np.array(clips["domain"].to_list(), dtype=object)
    row: Cells = {**cells(scores, labels, domains, year), **diagnostics(scores, labels, domains, year)}
    if "decision" not in clips.columns or clips["decision"].null_count():
        return row
    decisions = clips["decision"].to_numpy()
    apart = {f"_{domain}": domains == domain for domain in DOMAINS} if "auc_source" in row else {"": labels == labels}
    found = {suffix: precision_recall_f1(decisions[own], labels[own]) for suffix, own in apart.items()}
    decided = {f"{name}{suffix}": found[suffix][i] for i, name in enumerate(DECISION_MEASURES) for suffix in apart}
    return row | decided


def _all_means(found: Mapping[Section, Cells]) -> list[Cells]:
    """Return the mean rows of every machine, then those over all."""
    by_machine: dict[str | None, list[Cells]] = defaultdict(list)
    for (machine, _), row in found.items():
        by_machine[machine].append(row)
    return [row for machine, rows in [*by_machine.items(), (None, [*found.values()])] for row in _means(machine, rows)]


def _means(machine: str | None, rows: Sequence[Cells]) -> list[Cells]:
    """Return the mean rows of one machine, or of all (``machine`` None)."""
    suffixes = [f"_{domain}" for domain in DOMAINS] if "auc_source" in rows[0] else [""]
    decided = DECISION_MEASURES if f"f1{suffixes[0]}" in rows[0] else ()
    kinds: dict[str, tuple[Callable[..., Any], Sequence[str]]] = {
        "arithmetic": (np.mean, suffixes),
        "harmonic": (harmonic_mean, suffixes),
    }
    if len(suffixes) > 1:
        kinds |= {f"{domain} harmonic": (harmonic_mean, [f"_{domain}"]) for domain in DOMAINS}
    return [
        {"machine": machine, "mean": kind}
        | {name: float(mean([_of(row, name, one) for one in wanted for row in rows])) for name in MEASURES + decided}
        for kind, (mean, wanted) in kinds.items()
    ]


def _of(row: Cells, measure: str, suffix: str) -> float:
    """Return a measure of one domain, or the one that spans both."""
    name = f"{measure}{suffix}"
    return float(row[name if name in row else measure])
