"""Score evaluation clips: by the frozen scorers, and for a machine that was not frozen by newly fitted ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.contract.plugins import installed
from asdcore.errors import clips_named
from asdcore.execution import run_jobs
from asdcore.frozen.inference.bit_checks import prove_probes
from asdcore.held_out import NONE
from asdcore.held_out.run_record import record_notes
from asdcore.pipeline import Work
from asdcore.runs.folder import Run
from asdcore.stages.decide import group_notes
from asdcore.stages.scoring.score_jobs import plan, together
from asdcore.stages.scoring.score_new import NewScores, assemble_new, score_new
from asdcore.store.tables import CELL


def evaluation_scores(work: Work, frozen: Run, clips: pl.DataFrame) -> pl.DataFrame:
    """Return the score table of all branches.

    Parameters
    ----------
    work : Work
        The inference under way. Its store holds the frozen features and states, and the features of the new clips.
    frozen : Run
        The frozen run.
    clips : polars.DataFrame
        The clip index: train normals, those of frozen machines as they were frozen, and the new clips.

    Raises
    ------
    ManifestError
        If a frozen scorer gives another score than when it was kept.
    """
    was_frozen = frozen.clips.filter(pl.col("split") == "train").select(CELL).unique()
    old, new = (clips.join(was_frozen, on=CELL, how=how) for how in ("semi", "anti"))
    tables = [work.scores(new)] if len(new) else []
    if len(old):
        tables.append(_by_frozen_scorers(work, frozen, old))
    return pl.concat(tables)


def _by_frozen_scorers(work: Work, frozen: Run, clips: pl.DataFrame) -> pl.DataFrame:
    context = (work.store, installed(), work.device, work.networks or NONE)
    jobs = {name: plan(clips, name, work.plan, *context) for name in work.plan.branches}
    groups = together({job.path: job for of_branch in jobs.values() for job in of_branch}.values())
    scored: dict[Path, NewScores] = {}
    names = dict(clips.select("sha256", "clip").rows())
    with clips_named(names), work.pool() as pool, work.stage("score", len(groups)) as advance:
        for of_group in run_jobs(pool, score_new, groups):
            scored |= of_group
            advance(1)
    assembled = [assemble_new(clips, name, jobs[name], scored, frozen.scores) for name in jobs]
    prove_probes([probe for _, probes in assembled for probe in probes], names)
    rows = [row for row in frozen.about["out_of_fold"] if (row["machine"], row["section"]) in set(_cells(clips))]
    work.out_of_fold = [*work.out_of_fold, *rows]
    notes = [*record_notes(rows), *group_notes(rows, work.plan.decision)]
    work.findings += notes
    for note in notes:
        work.progress.note(note)
    return pl.concat([table for table, _ in assembled])


def _cells(clips: pl.DataFrame) -> list[tuple[str, str]]:
    return clips.select(CELL).unique().rows()
