"""The official scores of DCASE Challenge Task 2, 2020-2026, and the measures they are made of: arrays in, floats out.

Conventions
-----------
scores : (n_clips,) floats, larger = more anomalous. Only their order matters, and only within one machine and section;
    for :func:`~asdcore.evidence.f1_ev.f1_ev` their distances matter too.
labels : (n_clips,) 0 for a normal clip, 1 for an anomaly.
domains : (n_clips,) "source" or "target"; the rules of 2020 do not look at them and accept None.
decisions : (n_clips,) 1 for a clip that was called an anomaly, else 0.
cell : one number of one (machine, section), such as ``auc_source``; the official score is a mean of cells.

Every result is a fraction in [0, 1]. Ties count one half everywhere, so constant scores give 0.5. If normals or
anomalies are missing, :class:`asdcore.errors.EvaluationError` names what is missing.

The rules of each year are in :mod:`asdcore.evidence.rules`, AUC and pAUC in
:mod:`asdcore.evidence.roc`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.contract.references import DOMAINS
from asdcore.errors import EvaluationError
from asdcore.evidence.f1_ev import f1_ev
from asdcore.evidence.roc import auc, check_lengths, finite, pauc, pauc_of_papers, zeros_and_ones
from asdcore.evidence.rules import RULES, Cell, Rule, rule

__all__ = [
    "DOMAINS",
    "EPSILON",
    "RULES",
    "Cell",
    "Rule",
    "auc",
    "cells",
    "diagnostics",
    "f1_ev",
    "harmonic_mean",
    "official_score",
    "pauc",
    "pauc_of_papers",
    "precision_recall_f1",
    "rule",
]

EPSILON = sys.float_info.epsilon
"""The floor under every number that enters a harmonic mean or a denominator, as in the official evaluators."""


def harmonic_mean(values: ArrayLike) -> float:
    """Compute the harmonic mean, with every value first raised to the floating-point epsilon.

    The official evaluators raise values in the same way: one cell of 0 makes the mean about n * 2.2e-16 instead of
    undefined.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        Fractions in [0, 1].

    Returns
    -------
    float
        Their harmonic mean.

    Raises
    ------
    EvaluationError
        If there are no values.

    Examples
    --------
    >>> round(harmonic_mean([0.5, 1.0]), 4)
    0.6667

    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        raise EvaluationError("The harmonic mean of no values does not exist.")
    return float(numbers.size / np.sum(1 / np.maximum(numbers, EPSILON)))


def precision_recall_f1(decisions: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """Compute precision, recall and F1 of the anomalies.

    Parameters
    ----------
    decisions : array_like of int, shape (n_clips,)
        1 for a clip that was called an anomaly, else 0.
    labels : array_like of int, shape (n_clips,)
        0 for a normal clip, 1 for an anomaly.

    Returns
    -------
    precision, recall, f1 : float
        Each 0 if its denominator is 0, as in the official evaluators.

    Raises
    ------
    EvaluationError
        If a value is neither 0 nor 1, or the lengths differ.

    Examples
    --------
    >>> precision_recall_f1([1, 1, 0, 0], [1, 0, 1, 0])
    (0.5, 0.5, 0.5)

    """
    flagged = zeros_and_ones(decisions, "decisions")
    anomalous = zeros_and_ones(labels, "labels")
    check_lengths(decisions=flagged, labels=anomalous)
    hits = float(np.sum(flagged & anomalous))
    precision = hits / max(float(np.sum(flagged)), EPSILON)
    recall = hits / max(float(np.sum(anomalous)), EPSILON)
    return precision, recall, 2 * precision * recall / max(precision + recall, EPSILON)


def cells(scores: ArrayLike, labels: ArrayLike, domains: ArrayLike | None, year: int) -> dict[str, float]:
    """Compute the cells of one machine and section that enter a year's official score.

    Parameters
    ----------
    scores, labels : array_like, shape (n_clips,)
        As :func:`asdcore.evidence.roc.auc`.
    domains : array_like of str, shape (n_clips,), or None
        "source" or "target"; None is enough for the rules of 2020.
    year : int
        The year whose rules apply, 2020 to 2026.

    Returns
    -------
    dict of str to float
        Cell name to value.

    Raises
    ------
    EvaluationError
        If a cell has no normal or no anomalous clips; the message names every such cell and what it lacks.

    Examples
    --------
    >>> domains = ["source", "source", "target", "target"]
    >>> cells([1.0, 3.0, 2.0, 4.0], [0, 1, 0, 1], domains, 2026)
    {'auc_source': 1.0, 'auc_target': 1.0, 'pauc': 1.0}

    """
    return _official(rule(year), _Section.of(scores, labels, domains))


def diagnostics(scores: ArrayLike, labels: ArrayLike, domains: ArrayLike | None, year: int) -> dict[str, float | None]:
    """Compute AUCs that are shown beside the official score and do not enter it.

    Parameters
    ----------
    scores, labels, domains, year
        As :func:`cells`.

    Returns
    -------
    dict of str to float or None
        Name to AUC; None if its normals or its anomalies are missing.

    Examples
    --------
    >>> domains = ["source", "source", "target", "target"]
    >>> diagnostics([1.0, 3.0, 2.0, 4.0], [0, 1, 0, 1], domains, 2026)
    {'auc_same_domain_source': 1.0, 'auc_same_domain_target': 1.0, 'auc_pooled': 1.0}

    """
    section = _Section.of(scores, labels, domains)
    return {cell.name: None if section.lacks(cell) else section.value(cell) for cell in rule(year).diagnostics}


def official_score(cells_by_machine_section: Mapping[tuple[str, str], Mapping[str, float]], year: int) -> float:
    """Average the cells of all machines and sections into the official score of a year.

    Parameters
    ----------
    cells_by_machine_section : mapping of (machine, section) to mapping of str to float
        What :func:`cells` returned for each. Other keys are passed over.
    year : int
        The year whose rules apply (:data:`asdcore.evidence.rules.RULES`).

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    EvaluationError
        If no machine is given, or a machine and section lacks a cell of that year.

    References
    ----------
    K. Dohi et al., "Description and discussion on DCASE 2023 Challenge Task 2: First-shot unsupervised anomalous
    sound detection for machine condition monitoring", arXiv 2305.07828, eq. (4).

    Examples
    --------
    >>> fan = {"auc_source": 0.8, "auc_target": 0.6, "pauc": 0.5}
    >>> pump = {"auc_source": 0.9, "auc_target": 0.7, "pauc": 0.6}
    >>> round(official_score({("fan", "00"): fan, ("pump", "00"): pump}, 2026), 4)
    0.6577

    """
    names = [cell.name for cell in rule(year).cells]
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for (machine, section), row in sorted(cells_by_machine_section.items()):
        missing = [name for name in names if name not in row]
        if missing:
            raise EvaluationError(
                f"{machine} section {section} has no {', '.join(missing)}; the rules of {year} need {', '.join(names)}."
            )
        rows[machine].append([row[name] for name in names])
    if not rows:
        raise EvaluationError("There is no official score without a machine.")
    if rule(year).mean == "harmonic":
        return harmonic_mean(np.concatenate([np.ravel(machine) for machine in rows.values()]))
    return float(np.mean([np.mean(np.mean(machine, axis=0)) for machine in rows.values()]))


@dataclass(frozen=True)
class _Section:
    """The clips of one (machine, section), checked."""

    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    domains: NDArray[Any] | None

    @classmethod
    def of(cls, scores: ArrayLike, labels: ArrayLike, domains: ArrayLike | None) -> _Section:
        checked = cls(
            finite(scores), zeros_and_ones(labels, "labels"), None if domains is None else np.asarray(domains)
        )
        check_lengths(scores=checked.scores, labels=checked.labels)
        if checked.domains is not None:
            check_lengths(scores=checked.scores, domains=checked.domains)
        return checked

    def clips(self, anomalous: bool, domain: str | None) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self.labels == anomalous
        if domain is not None:
            mask = mask & (False if self.domains is None else self.domains == domain)
        return mask

    def lacks(self, cell: Cell) -> list[str]:
        wanted = ((False, cell.normals), (True, cell.anomalies))
        return [
            f"{'anomalous' if anomalous else 'normal'} clips{f' of domain {domain}' if domain else ''}"
            for anomalous, domain in wanted
            if not self.clips(anomalous, domain).any()
        ]

    def value(self, cell: Cell) -> float:
        used = self.clips(False, cell.normals) | self.clips(True, cell.anomalies)
        measure = {"auc": auc, "pauc": pauc}[cell.measure]
        return measure(self.scores[used], self.labels[used])


def _official(rules: Rule, section: _Section) -> dict[str, float]:
    if any(cell.normals or cell.anomalies for cell in rules.cells):
        _check_domains(section)
    problems: dict[str, list[str]] = defaultdict(list)
    for cell in rules.cells:
        for lack in section.lacks(cell):
            problems[lack].append(cell.name)
    if problems:
        lacks = ", ".join(f"no {lack} (needed by {', '.join(names)})" for lack, names in problems.items())
        raise EvaluationError(f"Among {len(section.labels)} clips there are {lacks}.")
    return {cell.name: section.value(cell) for cell in rules.cells}


def _check_domains(section: _Section) -> None:
    if section.domains is None:
        raise EvaluationError("No domains are given; only the rules of 2020 do without.")
    unknown = {str(domain) for domain in section.domains.tolist()} - set(DOMAINS)
    if unknown:
        raise EvaluationError(
            f"The domain of some clips is {', '.join(sorted(unknown))}; the rules allow {' and '.join(DOMAINS)}, "
            "and only those of 2020 do without."
        )
