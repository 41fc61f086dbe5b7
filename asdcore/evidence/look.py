"""One look at the ground truth: what was evaluated, on which labels, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from asdcore.runs.folder import Run
from asdcore.store.digests.digest import table_digest
from asdcore.store.digests.hash_chain import Line
from asdcore.store.digests.sealed_json import FIELD
from asdcore.store.tables import GROUND_TRUTH

Verdict = Literal["kept", "rejected"]
KEPT = ("official_score", "ci95", "mean_auc", "mean_pauc")
"""The figures of each system that a look keeps: official score, its interval, arithmetic means of AUC and pAUC."""


@dataclass(frozen=True)
class Look:
    """One opening of a ground truth.

    what : such as "run of demo". truth, evaluated : digests of the labels, and of the table that was evaluated.
    digests : others, by name (portfolio, run, manifest, each of several trials). year, results : {system: the figures
    that :data:`KEPT` names}; None if the look gave none.
    """

    what: str
    truth: str
    evaluated: str
    year: int | None = None
    results: Mapping[str, Any] | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    hypothesis: str | None = None
    verdict: Verdict | None = None


def look_at(done: Run, truth: pl.DataFrame, what: str, **more: Any) -> Look:
    """Return a look at a run's systems; ``what``, such as "run of", is followed by the run's name."""
    digests = {"portfolio": done.about["portfolio_digest"], "run": done.about[FIELD]}
    name, evaluated = done.about["portfolio"]["name"], done.about["tables"]["systems"]
    return Look(f"{what} {name}", table_digest(truth, GROUND_TRUTH.key), evaluated, digests=digests, **more)


def results_in(look: Line) -> dict[str, dict[str, Any]]:
    """Return {system: what :data:`KEPT` names} of a look; empty if it has none."""
    results = look.entry.get("results")
    figures = results.values() if isinstance(results, dict) else [None]
    return dict(results or {}) if all(isinstance(of, dict) and set(KEPT) <= set(of) for of in figures) else {}


def evaluated_in(look: Line) -> list[Any]:
    """Return the digests of all that was looked at: a run by itself, or each of several trials."""
    digests = look.entry.get("digests")
    return [look.entry.get("evaluated"), *(digests.values() if isinstance(digests, dict) else ())]


def truth_in(look: Line) -> str | None:
    """Return the digest of the truth that was looked at; None if the line has none."""
    truth = look.entry.get("truth")
    return None if truth is None else str(truth)
