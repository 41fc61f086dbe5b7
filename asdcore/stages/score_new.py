"""Scores new clips with the scorers of a frozen run. Nothing is fitted: each is brought back from its state.

Train normals keep the out-of-fold scores that were frozen. A scorer that has no state is the exception: it is fitted
again, on the frozen train features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from asdcore.compute.code_in_use import check_loaded
from asdcore.compute.fitted import Model, Restored, bring_back
from asdcore.compute.scoring import Cell, Scores
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import installed
from asdcore.errors import DataError, ManifestError, blamed, located, warned
from asdcore.stages.score import Block, chunk_rows, work_of
from asdcore.stages.score_jobs import CELL, SCORING_CODE, ScoreJob, ordered
from asdcore.store.tables import FULL, SCORES


@dataclass(frozen=True)
class Probe:
    """The scores (1,) by reference of one train normal, by a scorer that was kept, when it was kept and now."""

    where: str
    clip: str
    fold: int
    then: Scores
    now: Scores


@dataclass(frozen=True)
class NewScores:
    """The scores of new clips by one branch, machine and section, and the probes of the scorers that gave them."""

    chunk: pl.DataFrame
    probes: tuple[Probe, ...]


def score_new(jobs: tuple[ScoreJob, ...]) -> dict[Path, NewScores]:
    """Score the test clips of jobs that score by the same features; returns {the path of a job: its scores}.

    Raises ManifestError if the store lacks a scorer's state.
    """
    with single_threaded():
        cell = Cell(jobs[0].features, jobs[0].train, jobs[0].domain, jobs[0].test)
        results = {}
        for job in jobs:
            with located(job.where), warned(job.where), blamed("scorer", job.scorer):
                check_loaded(job.code, job.uses, SCORING_CODE, installed())
                results[job.path] = _scored(job, cell)
    return results


def _scored(job: ScoreJob, cell: Cell) -> NewScores:
    work, models = work_of(job, cell), job.models()
    blocks, probes = [], []
    for fold, model in models.items():
        if not model.path.exists():
            raise ManifestError(
                "the frozen store does not hold the state of its scorer, so nothing was inferred. Run the portfolio "
                "again with the same --store, and freeze anew."
            )
        back = bring_back(work, model)
        probes.append(_probe(job, fold, model, back))
        tested = work.tested(back.scorer, model.fitted, model.fitted[:1])
        blocks.append(Block("test", fold, np.arange(len(job.test)), tested))
    rows = [chunk_rows(block, reference) for block in blocks for reference in sorted(block.scores)]
    return NewScores(pl.concat(rows), tuple(probes))


def _probe(job: ScoreJob, fold: int, model: Model, back: Restored) -> Probe:
    return Probe(job.where, job.train[model.probe], fold, back.then, back.now)


def assemble_new(
    clips: pl.DataFrame, name: str, jobs: list[ScoreJob], scored: Mapping[Path, NewScores], frozen: pl.DataFrame
) -> pl.DataFrame:
    """Return a branch's score table: the frozen rows of train normals, and the rows of new clips.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index: frozen train normals and new clips.
    name : str
        The branch.
    jobs : list of ScoreJob
        Its jobs, in the order of machines and sections in ``clips``.
    scored : mapping of Path to NewScores
        What :func:`score_new` returned.
    frozen : polars.DataFrame
        The frozen score table.
    """
    normals = clips.filter(pl.col("split") == "train").select("clip")
    kept = frozen.filter((pl.col("branch") == name) & (pl.col("role") == "oof")).join(normals, on="clip", how="semi")
    parts = [kept]
    for job, ((machine, section), cell) in zip(jobs, clips.group_by(CELL, maintain_order=True), strict=True):
        numbered = ordered(cell, "test").with_row_index("row").cast({"row": pl.Int32})
        rows = scored[job.path].chunk.join(numbered, on="row", how="inner", validate="m:1")
        mine = kept.filter((pl.col("machine") == machine) & (pl.col("section") == section))
        parts.append(_by_frozen_references(rows, mine, job).with_columns(branch=pl.lit(name)))
    return pl.concat([part.select(list(SCORES.columns)) for part in parts])


def _by_frozen_references(rows: pl.DataFrame, kept: pl.DataFrame, job: ScoreJob) -> pl.DataFrame:
    """Keep the scores by references that the frozen train normals have, too."""
    by_fold = pl.col("fold") != FULL
    closed = kept.filter(~by_fold)
    full = set((closed if len(closed) else kept)["reference"])
    folds = set(kept.filter(by_fold)["reference"])
    if lost := sorted(full - set(rows.filter(~by_fold)["reference"])):
        raise DataError(f"{job.where}: its scorer gives no {lost[0]} scores, which the frozen train normals have")
    return rows.filter(
        pl.when(by_fold).then(pl.col("reference").is_in(folds)).otherwise(pl.col("reference").is_in(full))
    )
