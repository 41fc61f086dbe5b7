"""The old import path of :mod:`asdcore.evidence.official_scores.metrics`, kept for scripts."""

from asdcore.evidence.official_scores.metrics import (
    DOMAINS,
    EPSILON,
    RULES,
    Cell,
    Rule,
    auc,
    cells,
    diagnostics,
    harmonic_mean,
    official_score,
    pauc,
    pauc_of_papers,
    precision_recall_f1,
    rule,
)

__all__ = [
    "DOMAINS",
    "EPSILON",
    "RULES",
    "Cell",
    "Rule",
    "auc",
    "cells",
    "diagnostics",
    "harmonic_mean",
    "official_score",
    "pauc",
    "pauc_of_papers",
    "precision_recall_f1",
    "rule",
]
