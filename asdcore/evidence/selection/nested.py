"""The nested protocol: machines are left out of the choice, and train normals are left out of the calibration.

A candidate's scores depend on its train normals through normalizers, transforms, fusions and guards, so a choice may
also be an accident of which normals there were. Here the outer loop is that of
:mod:`asdcore.evidence.selection.leave_one_machine_out`; inside it a candidate is judged by its mean official score over
K calibrations, each made without one fold of the train normals. The folds are those of the portfolio, with a gap if
train normals depend on their neighbours (:mod:`asdcore.held_out`), so they are fixed before any metric is computed. A
calibration never saw the train normals that it left out, so the share of them that it calls anomalous is an honest
false positive rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from asdcore.contract.plugins import installed
from asdcore.errors import EvaluationError, located
from asdcore.evidence.evaluations.evaluate import evaluate_table
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.metrics import official_score
from asdcore.evidence.selection.candidates import Candidates, Cells
from asdcore.evidence.selection.leave_one_machine_out import DEFINITION as OUTER
from asdcore.evidence.selection.leave_one_machine_out import leave_machines_out
from asdcore.evidence.selection.outcome import Outcome
from asdcore.held_out import held_out_of, system_groups
from asdcore.portfolio import Portfolio, System, parse_portfolio
from asdcore.runs.folder import Run
from asdcore.stages.calibrate import calibrate, straight
from asdcore.stages.decide import decide
from asdcore.stages.fuse import fuse
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import FULL

DEFINITION = (
    OUTER.format(criterion="inner score")
    + " The inner score of a candidate is the mean, over the K folds of its portfolio, of its official score when it "
    "is calibrated on the train normals of the other folds. inner_spread is the standard deviation of the K official "
    "scores on all machines; inner_fpr the share of left-out train normals above the threshold of the calibration they "
    "were left out of."
)


@dataclass(frozen=True)
class Inner:
    """One candidate without each fold in turn: its cells, and the share of left-out normals that it calls anomalous."""

    cells: list[Cells]
    fpr: float

    def score(self, machines: Sequence[str], year: int) -> float:
        """Return the mean official score over the calibrations, of some machines."""
        return float(np.mean(self.scores(machines, year)))

    def scores(self, machines: Sequence[str], year: int) -> list[float]:
        """Return the official score of each calibration, of some machines."""
        return [
            official_score({where: row for where, row in cells.items() if where[0] in machines}, year)
            for cells in self.cells
        ]


def nested(candidates: Candidates, baseline: str | None = None) -> Outcome:
    """Leave one machine out, choosing by the mean official score over calibrations that lack a fold of normals.

    baseline : see :func:`asdcore.evidence.selection.leave_one_machine_out.lomo`. Raises EvaluationError if a candidate
    mirrors another, and so has a calibration for each fold already, or if the run would no longer give the same scores.
    """
    _refuse_mirrors(candidates)
    inner = {name: _inner(candidates, *place) for name, place in candidates.places.items()}
    outcome = leave_machines_out(
        "nested",
        DEFINITION,
        candidates,
        baseline,
        lambda name, machines: inner[name].score(machines, candidates.year),
    )
    everywhere = candidates.machines
    table = [
        {
            **row,
            "inner_score": inner[row["candidate"]].score(everywhere, candidates.year),
            "inner_spread": float(np.std(inner[row["candidate"]].scores(everywhere, candidates.year), ddof=1)),
            "inner_fpr": inner[row["candidate"]].fpr,
        }
        for row in outcome.facts["candidates"]
    ]
    return replace(outcome, facts=outcome.facts | {"candidates": table})


def _refuse_mirrors(candidates: Candidates) -> None:
    systems = {name: run.about["portfolio"]["systems"][system] for name, (run, system) in candidates.places.items()}
    straight = [name for name, settings in systems.items() if settings.get("out_of_fold_mirror_of") is None]
    if len(straight) < len(systems):
        mirror = next(name for name in systems if name not in straight)
        raise EvaluationError(
            f"{mirror} is an out-of-fold mirror: it is calibrated by folds already. Leave it out"
            + (f": {' '.join(f'--systems {name}' for name in straight)}." if straight else ".")
        )


def _inner(candidates: Candidates, run: Run, system: str) -> Inner:
    cells: list[Cells] = []
    called: list[int] = []
    for systems, decisions in _without_each_fold(run, system):
        tested = join_systems(_of(run, systems, "test"), None, run.clips, candidates.truth, held_back(run))
        rows = evaluate_table(tested, candidates.year).systems[system].cells
        cells.append({(row["machine"], row["section"]): row for row in rows})
        called += _of(run, decisions, "train")["decision"].to_list()
    return Inner(cells, sum(called) / len(called))


def _without_each_fold(run: Run, name: str) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield systems and decisions calibrated without each fold, whose normals appear in them as test clips."""
    plan = parse_portfolio(run.about["portfolio"])
    system = plan.systems[name]
    kept = plan.model_copy(update={"branches": {branch: plan.branches[branch] for branch in sorted(system.branches)}})
    scores = straight(run.scores.filter(pl.col("branch").is_in(sorted(system.branches))))
    again = _systems(kept, name, system, scores, run.clips)
    pinned = run.systems.filter(pl.col("system") == name)
    key = ("clip", "role")
    if table_digest(again.select(pinned.columns), key) != table_digest(pinned, key):
        raise EvaluationError(
            f"Calibrating {run.folder} again does not give the same scores of {name}: the code or a plugin has changed "
            "since. Run the portfolio again."
        )
    fold = _folds(run, plan, system)
    groups = system_groups(run.clips, plan, run.about.get("out_of_fold", []), [name])
    for k in range(fold["fold"].n_unique()):
        away, beside = (
            pl.col("clip").is_in(fold.filter(condition)["clip"].implode())
            for condition in (pl.col("fold") == k, pl.col("beside").list.contains(k))
        )
        moved = scores.filter(~beside).with_columns(
            role=pl.when(away).then(pl.lit("test")).otherwise(pl.col("role")),
            fold=pl.when(away).then(pl.lit(FULL, pl.Int32)).otherwise(pl.col("fold")),
        )
        systems = _systems(kept, name, system, moved, run.clips)
        with located(f"{run.folder}, calibrated without one of {plan.folds} folds"):
            yield systems, decide(systems, run.clips, plan.decision, groups)


def _systems(plan: Portfolio, name: str, system: System, scores: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    plugins = installed()
    return fuse(calibrate(scores, clips, plan.branches, plugins), clips, {name: system}, plugins)


def _folds(run: Run, plan: Portfolio, system: System) -> pl.DataFrame:
    """Return clip, fold, and the folds that a clip lies too near to calibrate (beside), of every train normal."""
    parts = []
    for _, _, cell, held in held_out_of(run, system.branches):
        fold = np.empty(len(cell), dtype=np.int64)
        beside: list[list[int]] = [[] for _ in fold]
        for k, (rows, rest) in enumerate(held.folds(tuple(cell["sha256"]), plan.folds, plan.seed)):
            fold[rows] = k
            for i in np.setdiff1d(np.arange(len(fold)), np.concatenate([rows, rest])):
                beside[i].append(k)
        near = pl.Series(beside, dtype=pl.List(pl.Int64))
        parts.append(cell.select("clip").with_columns(fold=pl.Series(fold), beside=near))
    return pl.concat(parts)


def _of(run: Run, table: pl.DataFrame, split: str) -> pl.DataFrame:
    """Return the rows of a table whose clips belong to a split."""
    return table.join(run.clips.filter(pl.col("split") == split).select("clip"), on="clip", how="semi")
