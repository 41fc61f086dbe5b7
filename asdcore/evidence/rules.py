"""The rules of DCASE Challenge Task 2, year by year: which cells enter the official score, and how they are averaged.

A cell is one number of one machine and section, such as ``auc_source``. What the years differ in is data, not code:
:data:`RULES` holds it, :mod:`asdcore.evidence.metrics` computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from asdcore.errors import EvaluationError


@dataclass(frozen=True)
class Cell:
    """One number of a machine and section: a measure, and the clips it is computed from.

    Attributes
    ----------
    name : str
        Such as "auc_source".
    measure : {"auc", "pauc"}
        What is computed.
    normals, anomalies : {"source", "target"} or None
        The domain whose normal and anomalous clips count; None for both domains.

    """

    name: str
    measure: Literal["auc", "pauc"]
    normals: Literal["source", "target"] | None
    anomalies: Literal["source", "target"] | None


@dataclass(frozen=True)
class Rule:
    """How one year turns scores into its official score.

    Attributes
    ----------
    cells : tuple of Cell
        The cells that enter the official score.
    diagnostics : tuple of Cell
        Cells that are shown beside it and never enter it.
    mean : {"harmonic", "by machine"}
        "harmonic" is the harmonic mean of all cells. "by machine" takes arithmetic means: over a machine's sections,
        then over its measures, then over machines.
    total : {"official_score", "mean_score"}
        What the mean is called: without a challenge it is not official.

    """

    cells: tuple[Cell, ...]
    diagnostics: tuple[Cell, ...]
    mean: Literal["harmonic", "by machine"]
    total: Literal["official_score", "mean_score"] = "official_score"


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

2020 : no domains. The official evaluator prints means per machine type and no overall number. Ours is the arithmetic
    mean over machine types of the mean of their two figures, AUC and pAUC, each an arithmetic mean over machine IDs.
2021 : AUC and pAUC within each domain (its normals against its anomalies); harmonic mean of all cells.
2022-2026 : one threshold has to serve both domains. So the AUC of a domain compares its normals with ALL anomalies of
    the section, whichever their domain, and pAUC sees both domains at once; harmonic mean of all cells.

The same-domain AUC differs from the official one of 2022-2026, and both are in print under one name. So it has a name
of its own here, among the diagnostics, and so has the pooled AUC (all normals against all anomalies).
"""


def forbids_known_faults(year: int) -> bool:
    """Whether the rules of a year forbid that labelled faults choose anything of a system: all of the challenge do.

    Examples
    --------
    >>> forbids_known_faults(2026), forbids_known_faults(0)
    (True, False)
    """
    return year in RULES


OWN_RECORDINGS = 0
"""The year of recordings that belong to no challenge."""

_OWN = Rule(_BLIND.cells, (), "by machine", "mean_score")
"""AUC and pAUC of normal clips against faulty ones, and their mean over machines, which no challenge defines."""


def rule(year: int) -> Rule:
    """Look up the rules of a year.

    Parameters
    ----------
    year : int
        2020 to 2026, or 0 for recordings that belong to no challenge.

    Returns
    -------
    Rule
        The cells of that year, and how they are averaged.

    Raises
    ------
    EvaluationError
        If the year has no rules here.

    Examples
    --------
    >>> [cell.name for cell in rule(2026).cells]
    ['auc_source', 'auc_target', 'pauc']

    """
    if year == OWN_RECORDINGS:
        return _OWN
    if year not in RULES:
        raise EvaluationError(f"No official rules are known for the year {year}. Known: {', '.join(map(str, RULES))}.")
    return RULES[year]
