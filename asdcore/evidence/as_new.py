"""Train normals scored as new clips are: by a scorer that has seen no clip of their group; and test clips.

Where a scorer leaves rows out in closed form, the run's own out-of-fold scores are that. A scorer that learns by
leave-one-out (densities, widths) learned in the run without the groups, and its scores are on another scale than those
of a scorer that learned by single clips. Of such a branch the train normals are scored in folds of whole groups, each
by a scorer that learned by single clips from the rest; it has a fold less to compare with, so its scores are a little
high.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import polars as pl

from asdcore.components import build
from asdcore.contract.plugins import Plugins
from asdcore.held_out import held_out_of
from asdcore.runs import Run
from asdcore.scoring import Cell, Work, takes_without
from asdcore.stages import calibrate
from asdcore.stages.score import ScoreJob
from asdcore.store.tables import FULL, SCORES
from asdcore.threads import single_threaded


def scored_as_new(run: Run, jobs: dict[str, list[ScoreJob]], plugins: Plugins) -> pl.DataFrame:
    """Return rows of a score table, role "test": of all test clips, and of the train normals without their groups.

    jobs : of every branch, one for each machine and section in the order of the clip index, by single clips.
    """
    kept = calibrate.straight(run.scores.filter(pl.col("branch").is_in(list(jobs))))
    learning = [name for name, group in jobs.items() if _learns(group[0], plugins)]
    parts = [kept.filter(~pl.col("branch").is_in(learning))]
    for name in learning:
        parts += _learned_alone(run, name, jobs[name], plugins)
    new = {"role": pl.lit("test"), "fold": pl.lit(FULL, dtype=SCORES.columns["fold"])}
    return pl.concat([part.with_columns(**new).select(list(SCORES.columns)) for part in parts])


def _learns(job: ScoreJob, plugins: Plugins) -> bool:
    """Whether a scorer learns from each train normal by leaving it out: then it is told what else to leave out."""
    scorer = build("scorer", job.scorer, json.loads(job.parameters), plugins)
    methods = (getattr(scorer, name, None) for name in ("fit", "fit_distances"))
    return any(method is not None and takes_without(method) for method in methods)


def _learned_alone(run: Run, branch: str, jobs: Iterable[ScoreJob], plugins: Plugins) -> Iterator[pl.DataFrame]:
    """Yield the scores of a branch, of each machine and section: train normals in folds of whole groups, test clips."""
    for job, (machine, section, train, held) in zip(jobs, held_out_of(run, branch), strict=True):
        test = run.clips.filter(split="test", machine=machine, section=section)
        with single_threaded():
            cell = Cell(job.features, job.train, job.domain, tuple(test["sha256"]))
            scorer = partial(build, "scorer", job.scorer, json.loads(job.parameters), plugins)
            work, everyone = Work(job.scorer, scorer, cell), np.arange(len(train))
            folds = held.folds(job.train, job.folds, job.seed)
            scores = [(rows, work.held_out(work.fit(rest), rest, rows)) for rows, rest in folds]
            tested = work.tested(work.fit(everyone), everyone)
        shared = set(tested).intersection(*(given for _, given in scores))
        for reference in sorted(shared):
            values = np.empty(len(train))
            for rows, given in scores:
                values[rows] = given[reference]
            for clips, found in ((train, values), (test, tested[reference])):
                known = {"branch": pl.lit(branch), "reference": pl.lit(reference)}
                yield clips.with_columns(**known, score=pl.Series(found, dtype=pl.Float64))
