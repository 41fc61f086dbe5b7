"""AUC, pAUC and the official scores of DCASE Challenge Task 2, 2020-2026: arrays in, floats out.

Conventions
-----------
scores : (n_clips,) floats, larger = more anomalous. Only their order matters, and only within one machine and section.
labels : (n_clips,) 0 for a normal clip, 1 for an anomaly.
domains : (n_clips,) "source" or "target"; not looked at by the 2020 rules, which may pass None.
decisions : (n_clips,) 1 where a clip was called an anomaly, else 0.
cell : one number of one (machine, section), such as ``auc_source``; the official score is a mean of cells.

Every result is a fraction in [0, 1]. Ties count one half everywhere, so constant scores give 0.5. What cannot be
computed, for want of normals or anomalies, raises :class:`asdcore.errors.EvaluationError` that names what is missing.

What the years differ in is data, not code: see :data:`RULES`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.errors import EvaluationError

EPSILON = sys.float_info.epsilon
"""The floor under every number that enters a harmonic mean or a denominator, as in the official evaluators."""

DOMAINS = ("source", "target")


@dataclass(frozen=True)
class Cell:
    """One number of a (machine, section): a measure, and whose normals and anomalies it sees (None: both domains')."""

    name: str
    measure: Literal["auc", "pauc"]
    normals: Literal["source", "target"] | None
    anomalies: Literal["source", "target"] | None


@dataclass(frozen=True)
class Rule:
    """How one year turns scores into its official score.

    ``cells`` enter the official score; ``diagnostics`` never do. ``mean`` is "harmonic" (over all cells), or "by
    machine": arithmetic means over a machine's sections, then over its measures, then over machines.
    """

    cells: tuple[Cell, ...]
    diagnostics: tuple[Cell, ...]
    mean: Literal["harmonic", "by machine"]


_POOLED = Cell("auc_pooled", "auc", None, None)
_OF_DOMAINS = (
    Cell("auc_same_domain_source", "auc", "source", "source"),
    Cell("auc_same_domain_target", "auc", "target", "target"),
    _POOLED,
)
_BLIND = Rule((Cell("auc", "auc", None, None), Cell("pauc", "pauc", None, None)), (_POOLED,), "by machine")
_APART = Rule(
    (
        Cell("auc_source", "auc", "source", "source"),
        Cell("auc_target", "auc", "target", "target"),
        Cell("pauc_source", "pauc", "source", "source"),
        Cell("pauc_target", "pauc", "target", "target"),
    ),
    _OF_DOMAINS,
    "harmonic",
)
_FIRST_SHOT = Rule(
    (
        Cell("auc_source", "auc", "source", None),
        Cell("auc_target", "auc", "target", None),
        Cell("pauc", "pauc", None, None),
    ),
    _OF_DOMAINS,
    "harmonic",
)

RULES: Mapping[int, Rule] = MappingProxyType(
    {2020: _BLIND, 2021: _APART, 2022: _FIRST_SHOT, 2023: _FIRST_SHOT, 2024: _FIRST_SHOT}
    | {2025: _FIRST_SHOT, 2026: _FIRST_SHOT}
)
"""The rules of every year.

2020 : no domains. The official evaluator prints means per machine type and no overall number; ours is the arithmetic
    mean over machine types of the mean of their two figures, AUC and pAUC, each an arithmetic mean over machine IDs.
2021 : AUC and pAUC within each domain (its normals against its anomalies); harmonic mean of all cells.
2022-2026 : one threshold has to serve both domains, so the AUC of a domain sets its normals against ALL anomalies of
    the section, whichever their domain, and pAUC sees both domains at once; harmonic mean of all cells.

The same-domain AUC is another number than the official one of 2022-2026, and both are in print under one name: it has
a name of its own here, among the diagnostics, as has the pooled AUC (all normals against all anomalies).
"""


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """(n_clips,), (n_clips,) -> area under the ROC curve: P(anomaly > normal) + P(equal) / 2, by counting ranks."""
    normals, anomalies = _two_classes(scores, labels)
    below = np.searchsorted(normals, anomalies, side="left").sum()
    not_above = np.searchsorted(normals, anomalies, side="right").sum()
    return float(below + not_above) / (2 * len(normals) * len(anomalies))


def pauc(scores: ArrayLike, labels: ArrayLike, max_fpr: float = 0.1) -> float:
    """(n_clips,), (n_clips,) -> standardised partial AUC for false positive rates up to ``max_fpr``.

    The area under the ROC curve up to ``max_fpr``, tied scores joined by a straight line and the curve interpolated
    at ``max_fpr``, is put on a scale where chance is 0.5 and a perfect ranking 1 (McClish 1989). This is scikit-learn's
    ``roc_auc_score(max_fpr=...)`` and what every official evaluator computes, though the challenge papers print the
    formula of an area that is neither interpolated nor standardised.
    """
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr}, must be in (0, 1]")
    normals, anomalies = _two_classes(scores, labels)
    thresholds = np.unique(np.concatenate([normals, anomalies]))[::-1]
    fpr = _share_at_or_above(normals, thresholds)
    tpr = _share_at_or_above(anomalies, thresholds)
    inside = fpr <= max_fpr
    x = np.append(fpr[inside], max_fpr)
    y = np.append(tpr[inside], np.interp(max_fpr, fpr, tpr))
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]))) / 2
    chance = max_fpr**2 / 2
    return (1 + (area - chance) / (max_fpr - chance)) / 2


def harmonic_mean(values: ArrayLike) -> float:
    """(n,) -> harmonic mean, with every value first raised to the floating-point epsilon.

    The clamp is the official evaluators': one cell of 0 makes the mean about n * 2.2e-16 instead of undefined.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        raise EvaluationError("The harmonic mean of no values does not exist.")
    return float(numbers.size / np.sum(1 / np.maximum(numbers, EPSILON)))


def precision_recall_f1(decisions: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """(n_clips,), (n_clips,) -> precision, recall and F1 of the anomalies; 0 where nothing was flagged or is there."""
    flagged = _zeros_and_ones(decisions, "decisions")
    anomalous = _zeros_and_ones(labels, "labels")
    _check_lengths(decisions=flagged, labels=anomalous)
    hits = float(np.sum(flagged & anomalous))
    precision = hits / max(float(np.sum(flagged)), EPSILON)
    recall = hits / max(float(np.sum(anomalous)), EPSILON)
    return precision, recall, 2 * precision * recall / max(precision + recall, EPSILON)


def rule(year: int) -> Rule:
    """Return the rules of one year; raises EvaluationError for a year without rules."""
    if year not in RULES:
        raise EvaluationError(f"No official rules are known for the year {year}. Known: {', '.join(map(str, RULES))}.")
    return RULES[year]


def cells(scores: ArrayLike, labels: ArrayLike, domains: ArrayLike | None, year: int) -> dict[str, float]:
    """(n_clips,) three times -> {cell: value}, the cells of one (machine, section) that enter a year's official score.

    Raises EvaluationError naming every cell that cannot exist, and what it lacks.
    """
    return _official(rule(year), _Section.of(scores, labels, domains))


def diagnostics(scores: ArrayLike, labels: ArrayLike, domains: ArrayLike | None, year: int) -> dict[str, float | None]:
    """(n_clips,) three times -> {cell: value}, AUCs that are no part of the official score; None where not defined."""
    section = _Section.of(scores, labels, domains)
    return {cell.name: None if section.lacks(cell) else section.value(cell) for cell in rule(year).diagnostics}


def official_score(cells_by_machine_section: Mapping[tuple[str, str], Mapping[str, float]], year: int) -> float:
    """{(machine, section): {cell: value}} -> the official score of a year (see :data:`RULES`).

    Cells that are no part of the year's rules are passed over.
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
            _finite(scores), _zeros_and_ones(labels, "labels"), None if domains is None else np.asarray(domains)
        )
        _check_lengths(scores=checked.scores, labels=checked.labels)
        if checked.domains is not None:
            _check_lengths(scores=checked.scores, domains=checked.domains)
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
    found = {str(domain) for domain in section.domains.tolist()} - set(DOMAINS)
    if found:
        raise EvaluationError(
            f"The domain of some clips is {', '.join(sorted(found))}; the rules allow {' and '.join(DOMAINS)}, "
            "and only those of 2020 do without."
        )


def _two_classes(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_clips,), (n_clips,) -> the sorted scores of the normals and of the anomalies."""
    values, anomalous = _finite(scores), _zeros_and_ones(labels, "labels")
    _check_lengths(scores=values, labels=anomalous)
    normals, anomalies = np.sort(values[~anomalous]), np.sort(values[anomalous])
    if not len(normals) or not len(anomalies):
        raise EvaluationError(
            f"A ROC curve needs normal and anomalous clips; found {len(normals)} normal, {len(anomalies)} anomalous."
        )
    return normals, anomalies


def _share_at_or_above(ordered: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) ascending, (k,) descending -> (k + 1,) shares, starting with 0 for a threshold above everything."""
    count = len(ordered) - np.searchsorted(ordered, thresholds, side="left")
    return np.concatenate([[0.0], count / len(ordered)])


def _finite(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise EvaluationError(f"{np.sum(~np.isfinite(values))} of {values.size} scores are not finite numbers.")
    return values


def _zeros_and_ones(values: ArrayLike, what: str) -> NDArray[np.bool_]:
    given = np.asarray(values)
    wrong = given[(given != 0) & (given != 1)]
    if wrong.size:
        raise EvaluationError(f"The {what} hold {wrong.flat[0]!r}; allowed are the numbers 0 and 1.")
    return given.astype(bool)


def _check_lengths(**arrays: NDArray[Any]) -> None:
    shapes: Sequence[tuple[int, ...]] = [array.shape for array in arrays.values()]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        found = ", ".join(f"{name} {shape}" for name, shape in zip(arrays, shapes, strict=True))
        raise EvaluationError(f"The arrays differ in shape: {found}. They must be (n_clips,) each.")
