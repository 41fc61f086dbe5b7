"""Joins scores with ground truth and says what they are worth: the only module that may open the ground truth.

It reads through :mod:`asdcore.evidence.files` and matches through :mod:`asdcore.evidence.matching`: by clip name, never
by position (the official evaluators sort both and pair them off, so that a misspelt name gives a wrong score in
silence), and exactly the same clips. Anomaly scores are larger for more anomalous clips, labels are 0 (normal) or 1
(anomaly), domains "source" or "target", results fractions in [0, 1].
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asdcore.errors import located
from asdcore.evidence.decisions import target_false_positives
from asdcore.evidence.files import Section, read_scores, read_truth
from asdcore.evidence.frames import Tabular
from asdcore.evidence.ledger import KEPT, Look, Verdict, record_look
from asdcore.evidence.matching import match_scores
from asdcore.evidence.metrics import (
    DOMAINS,
    cells,
    diagnostics,
    harmonic_mean,
    official_score,
    precision_recall_f1,
    rule,
)
from asdcore.evidence.scores_with_truth import KEY, check_joined, join_systems
from asdcore.evidence.uncertainty import Uncertainty, intervals
from asdcore.store.digest import table_digest

__all__ = [
    "Evaluation",
    "SystemResult",
    "evaluate_scores",
    "evaluate_systems",
    "evaluate_table",
    "read_scores",
    "read_truth",
]

MEASURES = ("auc", "pauc")
DECISION_MEASURES = ("precision", "recall", "f1")
Cells = dict[str, Any]


@dataclass(frozen=True)
class SystemResult:
    """What one system is worth.

    cells : one row for each (machine, section): the official cells of the year, then what is not ranked: AUCs of other
        definitions, both target false-positive ratios (:mod:`asdcore.evidence.decisions`), and precision, recall and
        F1 (of each domain's own clips) where the system has decisions.
    means : rows of auc, pauc (and precision, recall, f1): for each machine, then over all (``machine`` is None), the
        means "arithmetic", "harmonic", and by domain "source harmonic" and "target harmonic". A pAUC that spans both
        domains counts once for each, as in the official evaluators.
    """

    official_score: float
    cells: list[Cells]
    means: list[Cells]


@dataclass(frozen=True)
class Evaluation(Tabular):
    """The results of every system under the rules of ``year``, and how sure they are, where that was asked for."""

    year: int
    systems: dict[str, SystemResult]
    uncertainty: Uncertainty | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore evaluate --json`` prints.

        ``ci95`` and, for each official cell, ``<cell>_ci95`` are [low, high], BCa; null where none was asked for.
        ``ci95_machines`` is that of the official score over other machines; null for one machine too.
        """
        return {
            "year": self.year,
            "systems": {
                name: {
                    "official_score": result.official_score,
                    "ci95": None if self.uncertainty is None else self.uncertainty.official[name]["bca"].as_json(),
                    "cells": [cell | self._intervals(name, i) for i, cell in enumerate(result.cells)],
                    "means": result.means,
                    "ci95_machines": self._over_machines(name),
                }
                for name, result in self.systems.items()
            },
        }

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for each system, machine and section: official score and cells with their intervals."""
        return [
            {"system": name, "official_score": result["official_score"], "official_score_ci95": result["ci95"], **cell}
            for name, result in self.as_json()["systems"].items()
            for cell in result["cells"]
        ]

    def summary(self) -> dict[str, Any]:
        """Return {system: official score, its interval, arithmetic means of AUC and pAUC}: what the ledger keeps."""
        kept = {}
        for name, system in self.as_json()["systems"].items():
            mean = next(row for row in system["means"] if row["machine"] is None and row["mean"] == "arithmetic")
            figures = (system["official_score"], system["ci95"], mean["auc"], mean["pauc"])
            kept[name] = dict(zip(KEPT, figures, strict=True))
        return kept

    def _over_machines(self, system: str) -> list[float] | None:
        """Return the interval over machines of a system's official score."""
        interval = self.uncertainty.machines.get(system) if self.uncertainty else None
        return None if interval is None else interval.as_json()

    def _intervals(self, system: str, row: int) -> dict[str, list[float] | None]:
        """Return the intervals of the cells in one row of a system."""
        names = [cell.name for cell in rule(self.year).cells]
        if self.uncertainty is None:
            return {f"{name}_ci95": None for name in names}
        return {f"{name}_ci95": self.uncertainty.cells[system][row][name].as_json() for name in names}


def evaluate_scores(
    scores: Path,
    truth: Path,
    year: int,
    log: Path | None = None,
    *,
    replicates: int = 0,
    hypothesis: str | None = None,
    verdict: Verdict | None = None,
) -> Evaluation:
    """Evaluate every system under ``scores`` (see :func:`read_scores`) against ``truth`` (see :func:`read_truth`).

    The look at the labels is appended to the ledger ``log``, with what was expected and what is thought of it. Raises
    EvaluationError that lists, for all systems, machines and sections at once, what does not fit.
    """
    rule(year)
    labels = read_truth(truth)
    table = match_scores(read_scores(scores), labels)
    result = evaluate_table(table, year, replicates)
    if log is not None:
        look = Look(
            f"score files {scores.resolve().name}",
            table_digest(labels, ("machine", "section", "clip")),
            table_digest(table.select(*KEY, "score"), KEY),
            year,
            result.summary(),
            hypothesis=hypothesis,
            verdict=verdict,
        )
        record_look(log, look)
    return result


def evaluate_systems(
    systems: pl.DataFrame,
    decisions: pl.DataFrame | None,
    clips: pl.DataFrame,
    truth: pl.DataFrame,
    year: int,
    replicates: int = 0,
) -> Evaluation:
    """Evaluate the test rows of a run.

    systems : clip, system, role, score. decisions : clip, system, decision; or None. clips : clip, machine, section,
    split. truth : clip, label, domain. Truth and every system must cover exactly the test clips. replicates : see
    :func:`evaluate_table`.
    """
    return evaluate_table(join_systems(systems, decisions, clips, truth), year, replicates)


def evaluate_table(table: pl.DataFrame, year: int, replicates: int = 0) -> Evaluation:
    """Evaluate rows of machine, section, clip, system, score, label, domain and perhaps decision.

    Every system must have a row for the same clips. ``domain`` may be null under the rules of 2020. replicates : of the
    bootstrap that tells how sure the results are (:mod:`asdcore.evidence.uncertainty`); 0 leaves that out.
    """
    check_joined(table)
    systems = {}
    for (system,), rows in table.sort(KEY).group_by("system", maintain_order=True):
        found: dict[Section, Cells] = {}
        for (machine, section), clips in rows.group_by("machine", "section", maintain_order=True):
            with located(f"System {system}, {machine} section {section}"):
                found[machine, section] = {"machine": machine, "section": section, **_cells(clips, year)}
        systems[str(system)] = SystemResult(official_score(found, year), list(found.values()), _all_means(found))
    return Evaluation(year, systems, intervals(table, year, replicates=replicates) if replicates else None)


def _cells(clips: pl.DataFrame, year: int) -> Cells:
    """Return a row: the official cells, the other AUCs, the target false positives, then precision, recall and F1."""
    scores, labels = clips["score"].to_numpy(), clips["label"].to_numpy()
    domains = np.array(clips["domain"].to_list(), dtype=object)
    row: Cells = {**cells(scores, labels, domains, year), **diagnostics(scores, labels, domains, year)}
    decided = "decision" in clips.columns and not clips["decision"].null_count()
    decisions = clips["decision"].to_numpy() if decided else None
    if "auc_source" in row:
        row |= target_false_positives(scores, labels, domains, decisions)
    if decisions is None:
        return row
    source = (labels == 0) & (domains == DOMAINS[0])
    if "auc_source" in row and source.any():
        row["source_fpr_at_threshold"] = float(decisions[source].mean())
    apart = {f"_{domain}": domains == domain for domain in DOMAINS} if "auc_source" in row else {"": labels == labels}
    found = {suffix: precision_recall_f1(decisions[own], labels[own]) for suffix, own in apart.items()}
    measures = {f"{name}{suffix}": found[suffix][i] for i, name in enumerate(DECISION_MEASURES) for suffix in apart}
    return row | measures


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
