"""Compute how alike branches rank clips, and how a system's score changes without each branch or guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from asdcore.basics.digits import rounded
from asdcore.contract.plugins import installed
from asdcore.errors import AsdcoreError
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.metrics import harmonic_mean
from asdcore.evidence.uncertainty import intervals_below
from asdcore.portfolio import System
from asdcore.reporting.reported_runs import Subject
from asdcore.stages.fuse import fuse

REPLICATES = 500
"""Of the bootstrap behind a change: a quarter of what results get, as there are many changes and each is a hint."""

WHOLE = ""
"""The system itself among its variants: a name that sorts before theirs."""


def rank_correlations(subject: Subject) -> list[dict[str, Any]]:
    """Return Spearman's correlation of every two branches: its mean over machines, for train normals and test clips.

    Ranks are taken within a machine and section: scores are compared only there. A branch that scores all clips of a
    machine alike has no ranks there, and that machine does not count.
    """
    where = subject.run.clips.select("clip", "machine", "section")
    wide = subject.run.calibrated.pivot("branch", index=["clip", "role"], values="z").join(where, on="clip")
    branches = list(subject.run.about["portfolio"]["branches"])
    correlations: dict[tuple[str, str, str], list[float]] = {}
    for (role, *_), cell in wide.group_by("role", "machine", "section", maintain_order=True):
        ranks = {branch: cell[branch].rank().to_numpy() for branch in branches}
        varied = [branch for branch in branches if np.ptp(ranks[branch]) > 0]
        for i, first in enumerate(varied):
            for second in varied[i:]:
                value = float(np.corrcoef(ranks[first], ranks[second])[0, 1])
                for pair in {(first, second), (second, first)}:
                    correlations.setdefault((str(role), *pair), []).append(value)
    names = {"oof": "train normals", "test": "test clips"}
    return [
        {"clips": names[role], "first": first, "second": second, "value": rounded(float(np.mean(values)), 3)}
        for (role, first, second), values in sorted(correlations.items())
    ]


def contributions(subject: Subject) -> tuple[list[dict[str, Any]], list[str]]:
    """Return how the official score changes without each branch and guard of a system, and notes on what failed.

    Changes come with their paired bootstrap interval, in points. Each variant is fused anew by the run's own stage; the
    run is untouched.
    """
    rows, refused = [], []
    for name, system in subject.plan.systems.items() if subject.labels is not None else ():
        if system.out_of_fold_mirror_of is not None:
            refused.append(
                f"{subject.title(name)} is not taken apart: a run keeps no scores of a mirror's single models."
            )
            continue
        scored = {}
        for part, variant in variants(system):
            try:
                scored[part] = fuse(
                    subject.run.calibrated, subject.run.clips, {name: variant}, installed(), rehearsed=True
                )
            except AsdcoreError as error:
                refused.append(f"{subject.title(name)} {part} failed: {error}")
        if scored:
            rows += [{"system": subject.title(name), **row} for row in _changes(subject, name, scored)]
    return rows, refused


def variants(system: System) -> Iterator[tuple[str, System]]:
    """Yield (what is left out, the system without it) for each weighted branch but the only one, and each guard."""
    weighted = [branch for branch, weight in system.weights.items() if weight]
    for branch in weighted if len(weighted) > 1 else []:
        kept = {name: weight for name, weight in system.weights.items() if name != branch}
        yield f"without branch {branch}", system.model_copy(update={"weights": kept})
    for i, guard in enumerate(system.guards):
        others = system.guards[:i] + system.guards[i + 1 :]
        yield f"without guard {guard.name}", system.model_copy(update={"guards": others})


def trade_off(subject: Subject) -> list[dict[str, Any]]:
    """Return the harmonic mean over machines of the source and of the target AUC of every system, in percent.

    Empty without labels, and under rules that know no AUC of a domain.
    """
    rows: list[dict[str, Any]] = []
    for name, result in subject.evaluation.systems.items() if subject.evaluation else ():
        cells = pl.DataFrame(result.cells)
        if not {"auc_source", "auc_target"} <= set(cells.columns):
            continue
        source, target = (cells[cell].to_numpy() for cell in ("auc_source", "auc_target"))
        rows.append(
            {
                "system": subject.title(name),
                "source": rounded(100 * harmonic_mean(source), 3),
                "target": rounded(100 * harmonic_mean(target), 3),
                "official": rounded(100 * result.official_score, 3),
            }
        )
    return rows


def _changes(subject: Subject, name: str, scored: dict[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Compare the variants of a system with the system itself, on the same resampled clips."""
    assert subject.labels is not None
    whole = subject.run.systems.filter(system=name).with_columns(system=pl.lit(WHOLE))
    tables = [whole, *(frame.with_columns(system=pl.lit(part)) for part, frame in scored.items())]
    joined = join_systems(pl.concat(tables), None, subject.run.clips, subject.labels, held_back(subject.run))
    intervals = intervals_below(WHOLE, joined, subject.year, replicates=REPLICATES)
    return [
        {
            "part": part,
            "change": rounded(-100 * intervals[part].estimate, 3),
            "low": rounded(-100 * intervals[part].high, 3),
            "high": rounded(-100 * intervals[part].low, 3),
        }
        for part in scored
    ]
