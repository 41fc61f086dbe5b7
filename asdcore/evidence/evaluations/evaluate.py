"""Evaluates systems: joins their scores with the ground truth and computes official scores, cells and means.

:mod:`asdcore.evidence.labels` reads the files and matches their clips by name, never by position. (The official
evaluators sort both and pair them off, so a misspelt name gives a wrong score in silence.) Anomaly scores are larger
for more anomalous clips, labels are 0 (normal) or 1 (anomaly), domains "source" or "target", results fractions in [0,
1].
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
from asdcore.evidence.data_frames import Tabular
from asdcore.evidence.false_alarms.false_positives import target_false_positives
from asdcore.evidence.labels.files import Section, read_scores, read_truth
from asdcore.evidence.labels.matching import match_scores
from asdcore.evidence.labels.scores_with_truth import KEY, check_joined, join_systems
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import KEPT, Look, Verdict
from asdcore.evidence.metrics import (
    DOMAINS,
    cells,
    diagnostics,
    f1_ev,
    harmonic_mean,
    official_score,
    precision_recall_f1,
    rule,
)
from asdcore.evidence.rules import OWN_RECORDINGS
from asdcore.evidence.uncertainty import Uncertainty, intervals
from asdcore.store.digests.digest import table_digest

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
    """The results of one system.

    Attributes
    ----------
    official_score : float
        In [0, 1]; of recordings of one's own the mean over machines of AUC and pAUC.
    cells : list of dict
        One row for each (machine, section): the official cells of the year, then figures that are not ranked: AUCs of
        other definitions, both target false-positive ratios (``evidence.false_alarms.false_positives``), and, if the
        system has decisions, precision, recall and F1 of each domain's own clips.
    means : list of dict
        Rows of auc, pauc (and precision, recall, f1): for each machine, then over all (``machine`` is None), the means
        "arithmetic", "harmonic", and by domain "source harmonic" and "target harmonic". A pAUC that spans both domains
        counts once for each, as in the official evaluators.

    """

    official_score: float
    cells: list[Cells]
    means: list[Cells]


@dataclass(frozen=True)
class Evaluation(Tabular):
    """The results of every system under the rules of ``year``, with their intervals if these were asked for."""

    year: int
    systems: dict[str, SystemResult]
    uncertainty: Uncertainty | None = None
    not_judged: tuple[str, ...] = ()
    """Machines and sections whose test clips are not counted, and why; of recordings of one's own alone."""

    @property
    def total(self) -> str:
        """What a system's score is called: ``official_score``; ``mean_score`` of recordings of one's own."""
        return rule(self.year).total

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore evaluate --json`` prints.

        ``year`` is null for recordings of one's own, and their score is called ``mean_score``. ``ci95`` and, for each
        official cell, ``<cell>_ci95`` are [low, high], BCa; null if none was asked for. ``ci95_machines`` is the
        interval of the score over other machines; null for a single machine, too. ``notes`` are on cells of so few
        clips that their intervals are too narrow; the key is missing if there are none.
        """
        return {
            "year": self.year or None,
            **({"not_judged": list(self.not_judged)} if self.not_judged else {}),
            **({"notes": list(self.uncertainty.notes)} if self.uncertainty and self.uncertainty.notes else {}),
            "systems": {
                name: {
                    self.total: result.official_score,
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
            {"system": name, self.total: result[self.total], f"{self.total}_ci95": result["ci95"], **cell}
            for name, result in self.as_json()["systems"].items()
            for cell in result["cells"]
        ]

    def summary(self) -> dict[str, Any]:
        """Return what the ledger keeps: {system: official score, its interval, arithmetic means of AUC and pAUC}."""
        kept = {}
        for name, system in self.as_json()["systems"].items():
            mean = next(row for row in system["means"] if row["machine"] is None and row["mean"] == "arithmetic")
            figures = (system[self.total], system["ci95"], mean["auc"], mean["pauc"])
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

    The look at the labels is appended to the ledger ``log``, with the hypothesis and the verdict. Raises an
    EvaluationError that lists every misfit of all systems, machines and sections at once.
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
    without: frozenset[str] = frozenset(),
) -> Evaluation:
    """Evaluate the test rows of a run.

    systems : clip, system, role, score. decisions : clip, system, decision; or None. clips : clip, machine, section,
    split. truth : clip, label, domain. Truth and every system must cover exactly the test clips. replicates : see
    :func:`evaluate_table`. without : test clips to leave out.
    """
    return evaluate_table(join_systems(systems, decisions, clips, truth, without), year, replicates)


def evaluate_table(table: pl.DataFrame, year: int, replicates: int = 0) -> Evaluation:
    """Evaluate rows of machine, section, clip, system, score, label, domain and perhaps decision.

    Every system must have a row for the same clips. ``domain`` may be null under the rules of 2020. replicates : of the
    bootstrap that computes the intervals (:mod:`asdcore.evidence.uncertainty`); 0 leaves them out.
    """
    check_joined(table)
    systems = {}
    for (system,), rows in table.sort(KEY).group_by("system", maintain_order=True):
        by_section: dict[Section, Cells] = {}
        for (machine, section), clips in rows.group_by("machine", "section", maintain_order=True):
            with located(f"System {system}, {machine} section {section}"):
                by_section[machine, section] = {"machine": machine, "section": section, **_cells(clips, year)}
        score, means = official_score(by_section, year), _all_means(by_section)
        systems[str(system)] = SystemResult(score, list(by_section.values()), means)
    return Evaluation(year, systems, intervals(table, year, replicates=replicates) if replicates else None)


def _cells(clips: pl.DataFrame, year: int) -> Cells:
    """Return a row: official cells, other AUCs, F1-EV, the target false positives, then precision, recall and F1."""
    scores, labels = clips["score"].to_numpy(), clips["label"].to_numpy()
    domains = np.array(clips["domain"].to_list(), dtype=object)
    row: Cells = {**cells(scores, labels, domains, year), **diagnostics(scores, labels, domains, year)}
    row |= {"f1_ev": f1_ev(scores, labels), "f1_ev_bounded": f1_ev(scores, labels, bounded=True)}
    decided = "decision" in clips.columns and not clips["decision"].null_count()
    decisions = clips["decision"].to_numpy() if decided else None
    if "auc_source" in row:
        row |= target_false_positives(scores, labels, domains, decisions)
    if decisions is None:
        return row
    if year == OWN_RECORDINGS:
        row["false_positive_rate"] = float(decisions[labels == 0].mean())
    source = (labels == 0) & (domains == DOMAINS[0])
    if "auc_source" in row and source.any():
        row["source_fpr_at_threshold"] = float(decisions[source].mean())
    apart = {f"_{domain}": domains == domain for domain in DOMAINS} if "auc_source" in row else {"": labels == labels}
    measured = {suffix: precision_recall_f1(decisions[own], labels[own]) for suffix, own in apart.items()}
    measures = {f"{name}{suffix}": measured[suffix][i] for i, name in enumerate(DECISION_MEASURES) for suffix in apart}
    return row | measures


def _all_means(by_section: Mapping[Section, Cells]) -> list[Cells]:
    """Return the mean rows of every machine, then those over all."""
    by_machine: dict[str | None, list[Cells]] = defaultdict(list)
    for (machine, _), row in by_section.items():
        by_machine[machine].append(row)
    groups = [*by_machine.items(), (None, [*by_section.values()])]
    return [mean for machine, rows in groups for mean in _means(machine, rows)]


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
        | {name: float(mean([_of(row, name, end) for end in wanted for row in rows])) for name in MEASURES + decided}
        for kind, (mean, wanted) in kinds.items()
    ]


def _of(row: Cells, measure: str, suffix: str) -> float:
    """Return a measure of one domain, or the one that spans both."""
    name = f"{measure}{suffix}"
    return float(row[name if name in row else measure])
