"""Scores new clips with the scorers of a frozen run. Nothing is fitted: each is brought back from its state.

Train normals keep the out-of-fold scores that were frozen. A scorer that has no state is the exception: it is fitted
again, on the frozen train features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from asdcore.basics.rounding import Grid
from asdcore.compute.code_in_use import check_loaded
from asdcore.compute.scoring.clip_order import clips_of_cells
from asdcore.compute.scoring.fitted import Model, Restored, bring_back
from asdcore.compute.scoring.scoring import Cell, Scores
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import installed
from asdcore.errors import DataError, ManifestError, blamed, located, warned
from asdcore.stages.scoring.score import Block, chunk_rows, work_of
from asdcore.stages.scoring.score_jobs import SCORING_CODE, ScoreJob
from asdcore.store.tables import CELL, FULL, SCORES


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
        tested = work.tested(back.scorer, model.fitted, model.fitted[:0])  # the probe went first
        blocks.append(Block("test", fold, np.arange(len(job.test)), tested))
    rows = [chunk_rows(block, reference) for block in blocks for reference in sorted(block.scores)]
    return NewScores(pl.concat(rows), tuple(probes))


def _probe(job: ScoreJob, fold: int, model: Model, back: Restored) -> Probe:
    return Probe(job.where, job.train[model.probe], fold, back.then, back.now)


def assemble_new(
    clips: pl.DataFrame, name: str, jobs: list[ScoreJob], scored: Mapping[Path, NewScores], frozen: pl.DataFrame
) -> tuple[pl.DataFrame, list[Probe]]:
    """Return a branch's score table, and its probes, all rounded as the frozen scores were.

    The table has the frozen rows of train normals, and the rows of new clips.

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
    parts, probes = [kept], []
    of_cells = kept.partition_by(CELL, as_dict=True)
    for job, (cell, _, test) in zip(jobs, clips_of_cells(clips), strict=True):
        frozen_grids = grids(of_cells.get(cell, kept.clear()))
        numbered = test.with_row_index("row").cast({"row": pl.Int32})
        rows = _rounded(scored[job.path].chunk, frozen_grids, job).join(numbered, on="row", validate="m:1")
        parts.append(rows.with_columns(branch=pl.lit(name)))
        probes += [on_grids(probe, frozen_grids) for probe in scored[job.path].probes]
    return pl.concat([part.select(list(SCORES.columns)) for part in parts]), probes


Grids = dict[tuple[bool, str], Grid]
"""{(whether by a fold's scorer, reference): the grid of the scores}."""


def grids(kept: pl.DataFrame) -> Grids:
    """Return the grids of the frozen scores of one branch, machine and section; ``kept`` has its train normals.

    If train normals were scored in folds alone, the scorer of all of them gets the grid of these scores.
    """
    folds, closed = (kept.filter(pl.col("fold") != FULL), kept.filter(pl.col("fold") == FULL))
    by_kind = {True: folds, False: closed if len(closed) else folds}
    return {
        (is_fold, str(reference)): Grid.of(rows["score"].to_numpy())
        for is_fold, of_kind in by_kind.items()
        for (reference,), rows in of_kind.group_by("reference", maintain_order=True)
    }


def _rounded(chunk: pl.DataFrame, by: Grids, job: ScoreJob) -> pl.DataFrame:
    """Round scores, by those references alone that the frozen train normals have, too."""
    parts = []
    for (is_fold, reference), grid in by.items():
        of_kind = (pl.col("fold") != FULL) if is_fold else (pl.col("fold") == FULL)
        rows = chunk.filter(of_kind & (pl.col("reference") == reference))
        if rows.is_empty() and not is_fold:
            raise DataError(f"{job.where}: its scorer gives no {reference} scores, which the frozen train normals have")
        parts.append(rows.with_columns(score=grid.rounded(rows["score"].to_numpy())))
    return pl.concat(parts)


def on_grids(probe: Probe, by: Grids) -> Probe:
    """Round the scores of a probe, by the references that the frozen train normals have."""
    is_fold = probe.fold != FULL
    shared = [reference for kind, reference in by if kind == is_fold]
    then, now = (
        {reference: by[is_fold, reference].rounded(scores[reference]) for reference in shared if reference in scores}
        for scores in (probe.then, probe.now)
    )
    return replace(probe, then=then, now=now)
