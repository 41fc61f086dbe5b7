"""Scores features: fits a scorer on train normals, scores the test clips, and scores every train normal out of fold.

Out of fold means without the clips that were recorded beside it; :mod:`asdcore.held_out` decides which. A scorer that
supports it leaves them out in closed form. Others are fitted without one fold at a time, and a gap around it.

One (machine, section, branch) is the unit of work, kept and resumed by itself; so is what its scorer has learnt.
Branches that score the same clips by the same features are computed together: features are loaded once, and all scorers
that need only distances share one matrix. Whatever runs together, a branch's scores are the same to the last bit. The
scorer sees arrays and nothing else; test clips reach it in the order of their audio digests, so names and folders tell
it nothing. For a mirror, each fold's model scores the test clips as well. Scores are rounded by the spread of train
normals (:mod:`asdcore.basics.rounding`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from asdcore.basics.rounding import rounded_column
from asdcore.components.build import build
from asdcore.compute.code_in_use import check_loaded, check_unchanged
from asdcore.compute.scoring.aligned_networks import aligned
from asdcore.compute.scoring.clip_order import clips_of_cells
from asdcore.compute.scoring.fitted import fit_and_keep, fit_once
from asdcore.compute.scoring.scoring import TRAIN_FIRST, Cell, Rows, Scores, Work
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import Plugins, installed
from asdcore.errors import DataError, blamed, located, warned
from asdcore.held_out import NONE, HeldOut, Networks, Scored, assign_folds, leaves_out
from asdcore.progress import doing
from asdcore.stages.scoring.score_jobs import SCORING_CODE, ScoreJob, plan, together
from asdcore.store.cache import Store
from asdcore.store.finished_folds import Parts
from asdcore.store.tables import CHUNK_SCORES, FULL, SCORES

__all__ = [
    "SCORING_CODE",
    "ScoreJob",
    "assemble",
    "assign_folds",
    "plan",
    "score",
    "score_together",
    "scored",
    "together",
]


OF_CLIP = ("clip", "machine", "section", "split", "domain")
"""What a row of a score table says of its clip."""


def score_together(jobs: tuple[ScoreJob, ...]) -> int:
    """Compute chunks of scores from the same features, each written when it is done; returns how many.

    What another process has finished meanwhile is not computed again.
    """
    n, jobs = len(jobs), tuple(job for job in jobs if not job.is_done)
    if not jobs:
        return n
    with single_threaded():
        with located(jobs[0].where):
            cell = Cell(jobs[0].features, jobs[0].train, jobs[0].domain, jobs[0].test)
            tested = jobs[0].test if any(job.mirrored for job in jobs) else ()
            unseen = [Cell(fold.features, cell.normals, jobs[0].domain, tested) for fold in jobs[0].crossfit]
            works = [work_of(job, cell) for job in jobs]
            check_loaded(jobs[0].code, jobs[0].uses, SCORING_CODE, installed())  # ranges are stored, too
            held = jobs[0].kept.held_out(cell.train)
        for job, work in zip(jobs, works, strict=True):
            with located(job.where), warned(job.where):
                check_loaded(job.code, job.uses, SCORING_CODE, installed())
                _score(job, cell, work, held, unseen)
    return n


def score(job: ScoreJob) -> Path:
    """Compute one chunk of scores and write it; returns where."""
    score_together((job,))
    return job.path


def work_of(job: ScoreJob, cell: Cell) -> Work:
    """Return what fits the scorer of a job, and scores with it."""
    make = partial(build, "scorer", job.scorer, json.loads(job.parameters), installed())
    return Work(job.scorer, make, cell, partial(check_unchanged, job.uses, installed()))


def _score(job: ScoreJob, cell: Cell, work: Work, held: HeldOut, unseen: Sequence[Cell]) -> None:
    everyone = np.arange(len(job.train))
    full = job.models(held)[FULL]
    with blamed("scorer", job.scorer):
        in_closed_form = not unseen and leaves_out(work.build(), held)
        # Leaving out needs more than a state holds.
        fitted = (fit_and_keep if in_closed_form else fit_once)(work, full)
        if unseen:
            folds = _unseen(job, work, held, unseen)
        else:
            folds = _folds(job, work, held) if job.mirrored or not in_closed_form else []
        if in_closed_form:
            left_out = [Block("oof", FULL, everyone, work.left_out(fitted, held.without))]
        else:
            left_out = [fold.held_out for fold in folds]
        tested = work.tested(fitted, everyone, everyone[:TRAIN_FIRST])
        rows = [_chunk([*left_out, Block("test", FULL, np.arange(len(job.test)), tested)])]
        if job.mirrored:
            heard = [fold.held_out for fold in folds]
            rows.append(_chunk([*heard, *(fold.tested for fold in folds)]))
    chunk = pl.concat(rows).unique(CHUNK_SCORES.key, maintain_order=True)
    check_unchanged(job.uses, installed())
    Store(job.store).write_scores(job.path, chunk)
    Parts(job.path).remove()


def _unseen(job: ScoreJob, work: Work, held: HeldOut, cells: Sequence[Cell]) -> list[Fold]:
    """Score train normals by the networks of a crossfit that have not seen them, against those that these have seen.

    Each network's scores are put on the scale of the network of all, by the train normals that both have seen. Of a
    mirror each network scores the test clips, too.
    """
    full, folds = _out_of_fold(job, work, held), []
    for k, (cell, fold) in enumerate(zip(cells, job.crossfit, strict=True)):
        doing(f"{job.where}, fold {k + 1} of {len(job.crossfit)}")
        own, rows, seen = work_of(job, cell), *(np.array(of, dtype=np.intp) for of in (fold.rows, fold.seen))
        scorer = own.fit(seen)
        scores, alike = own.held_out(scorer, seen, rows), _out_of_fold(job, own, held)
        tested = own.tested(scorer, seen, seen[:TRAIN_FIRST]) if job.mirrored else {}
        shared = sorted(scores.keys() & alike.keys() & full.keys())

        def by_all(given: Scores, alike: Scores = alike, seen: Rows = seen, shared: Sequence[str] = shared) -> Scores:
            return {name: aligned(given[name], alike[name][seen], full[name][seen]) for name in shared if name in given}

        n_tested = len(job.test) if job.mirrored else 0
        test = Block("test", k, np.arange(n_tested), by_all(tested))
        folds.append(Fold(Block("oof", k, rows, by_all(scores)), test))
    return folds


def _out_of_fold(job: ScoreJob, work: Work, held: HeldOut) -> Scores:
    """Score every train normal out of fold by one network, in closed form if the scorer can, else in folds."""
    if leaves_out(work.build(), held):
        return work.left_out(work.fit(np.arange(len(job.train))), held.without)
    parts = [(rows, work.held_out(work.fit(rest), rest, rows)) for rows, rest in _dealt(job, held)]
    scores = {name: np.empty(len(job.train)) for name in set.intersection(*(set(scores) for _, scores in parts))}
    for rows, of_part in parts:
        for name in scores:
            scores[name][rows] = of_part[name]
    return scores


def _dealt(job: ScoreJob, held: HeldOut) -> list[tuple[Rows, Rows]]:
    return held.folds(job.train, job.folds, job.seed)


def scored(
    clips: pl.DataFrame, jobs: dict[str, list[ScoreJob]], plugins: Plugins, networks: Networks = NONE
) -> list[Scored]:
    """Return how the train normals of every branch, machine and section are scored, for ``run.json``."""
    entries = []
    for place, ((machine, section), _) in enumerate(clips.group_by("machine", "section", maintain_order=True)):
        for name, branch in jobs.items():
            job = branch[place]
            scorer = build("scorer", job.scorer, json.loads(job.parameters), plugins)
            is_seen = not job.crossfit and networks.has_seen(name, str(machine), str(section))
            kept = (job.kept, job.folds, len(job.crossfit), is_seen)
            entries.append(Scored(str(machine), str(section), name, scorer, *kept))
    return entries


def assemble(clips: pl.DataFrame, name: str, jobs: list[ScoreJob], store: Store) -> pl.DataFrame:
    """Return a branch's score table: the chunks of its machines and sections, joined with the clip index."""
    chunks, of_chunks, places = [], [], []
    n_clips = 0
    for job, (_, train, test) in zip(jobs, clips_of_cells(clips), strict=True):
        chunk = store.read_scores(job.path, (len(train), len(test))).sort("role", maintain_order=True)
        first = np.where((chunk["role"] == "oof").to_numpy(), n_clips, n_clips + len(train))
        places.append(first + chunk["row"].to_numpy())
        n_clips += len(train) + len(test)
        chunks.append(chunk)
        of_chunks += [train.select(OF_CLIP), test.select(OF_CLIP)]
    # Together, not one by one: of a thousand machines a thousand joins would take longer than reading them.
    named = pl.concat(of_chunks, rechunk=True)[np.concatenate(places)]
    scored = pl.concat(chunks).drop("row")
    rows = pl.concat([named, scored], how="horizontal").with_columns(branch=pl.lit(name))
    return rows.select(list(SCORES.columns))


@dataclass(frozen=True)
class Block:
    """Scores (n,) by reference of clips of one role, from the model without one fold (or from the full one: FULL)."""

    role: str
    fold: int
    rows: Rows
    scores: Scores


@dataclass(frozen=True)
class Fold:
    """The scores of the model without one fold, for the train normals of that fold and for the test clips."""

    held_out: Block
    tested: Block


def _folds(job: ScoreJob, work: Work, held: HeldOut) -> list[Fold]:
    """Score every train normal with a scorer that was fitted without its fold; test clips too, for a mirror."""
    folds = []
    parts = _dealt(job, held)
    for k, (held_out, rest) in enumerate(parts):
        doing(f"{job.where}, fold {k + 1} of {len(parts)}")
        folds.append(_kept_fold(job, k, partial(_fold, job, work, k, held_out, rest)))
    return folds


def _fold(job: ScoreJob, work: Work, k: int, held_out: Rows, rest: Rows) -> Fold:
    """Fit a scorer on the rest of the train normals, and score those held out; test clips too, for a mirror."""
    # A mirror scores test clips by the scorers of all folds, so these are kept, too.
    fitted = fit_once(work, job.model(rest.tolist())) if job.mirrored else work.fit(rest)
    tested = work.tested(fitted, rest, rest[:TRAIN_FIRST]) if job.mirrored else {}
    return Fold(
        Block("oof", k, held_out, work.held_out(fitted, rest, held_out)),
        Block("test", k, np.arange(len(job.test)), tested),
    )


def _kept_fold(job: ScoreJob, k: int, make: Callable[[], Fold]) -> Fold:
    """Return a fold that an earlier run finished, or make it."""

    def made() -> pl.DataFrame:
        fold = make()
        check_unchanged(job.uses, installed())
        blocks = (fold.held_out, fold.tested)
        return pl.concat([chunk_rows(block, reference) for block in blocks for reference in sorted(block.scores)])

    part = Parts(job.path).get(f"fold_{k}", made)
    return Fold(*(_block(part, role, k) for role in ("oof", "test")))


def _block(part: pl.DataFrame, role: str, fold: int) -> Block:
    """Return the block that rows were made of by :func:`chunk_rows`."""
    of_role = part.filter(pl.col("role") == role)
    scores = {
        str(reference): rows.sort("row")["score"].to_numpy()
        for (reference,), rows in of_role.group_by("reference", maintain_order=True)
    }
    return Block(role, fold, of_role["row"].unique().sort().to_numpy().astype(np.intp), scores)


def _chunk(blocks: list[Block]) -> pl.DataFrame:
    """Lay scores out as rows, for the references that every block has."""
    blocks = [block for block in blocks if len(block.rows)]
    shared = set.intersection(*(set(block.scores) for block in blocks))
    if not shared:
        raise DataError("no reference has scores of every fold: there are too few train normals")
    return pl.concat(
        [_rounded(pl.concat([chunk_rows(block, reference) for block in blocks])) for reference in sorted(shared)]
    )


def _rounded(rows: pl.DataFrame) -> pl.DataFrame:
    """Round the scores of one reference on the grid of its train normals."""
    return rows.with_columns(score=rounded_column(rows["score"].to_numpy(), (rows["role"] == "oof").to_numpy()))


def chunk_rows(block: Block, reference: str) -> pl.DataFrame:
    """Lay out the scores of one block by one reference."""
    n, types = len(block.rows), CHUNK_SCORES.columns
    same = {"role": block.role, "reference": reference, "fold": block.fold}
    columns = {name: pl.Series(name, [value], types[name]).new_from_index(0, n) for name, value in same.items()}
    columns["row"] = pl.Series("row", block.rows.astype(np.int32))
    columns["score"] = pl.Series("score", np.asarray(block.scores[reference], np.float64))
    return pl.DataFrame([columns[name] for name in types])
