"""The stages in order. This is the file to read first.

clips      the dataset reader lists what there is; what a run has read before is not read again -> clips.parquet
hear       the sound of train normals, for encoders that learn from them, is kept in the store until they have
train      each network once; what it has learnt is kept in the store
embed      view, encoder, pooling: features, kept in the store
score      scorers fitted on train normals, out-of-fold scores too    -> scores.parquet; what each has learnt is kept
calibrate  each branch on the scale of its train normals              -> calibrated.parquet
fuse       weights, transforms and guards                             -> systems.parquet
decide     a threshold from train normals                             -> decisions.parquet
evaluate   a step of its own, evidence/evaluations/logged_evaluation.py: the labels -> evaluation.json

Inference (frozen/infer.py) and a detector (detector/) go the same way by scorers that are brought back, not fitted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

import polars as pl

from asdcore.basics.paths import check_utf8, given_path, path_or
from asdcore.cluster.connection import Cluster, check_workers, connected, seen_by
from asdcore.components.readers import ListsClips, left_out_by, lister_of, year_of
from asdcore.compute.component_checks.recordings_out_of_reach import check_apart
from asdcore.contract.plugins import installed, restrict
from asdcore.data.clip_index.levels import levels_of
from asdcore.data.clip_index.noticed import Noticed
from asdcore.errors import clips_named
from asdcore.evidence.false_alarms.tail_notes import tail_notes
from asdcore.execution import Elsewhere, executor, run_jobs
from asdcore.held_out import NONE, Networks, check_places, out_of_fold, system_groups
from asdcore.portfolio import Portfolio, load_portfolio
from asdcore.progress import EachNoteOnce, Progress, Silent
from asdcore.runs.folder import Run
from asdcore.runs.trials import Trials, begin_trials, check_trials_out, trial_folder, write_trials
from asdcore.runs.writing import check_out, write_run
from asdcore.stages import calibrate, decide, fuse, listing
from asdcore.stages.about import about_run
from asdcore.stages.embedding import embed, embed_held_whole
from asdcore.stages.notes_on_data import audio_not_heard
from asdcore.stages.notes_on_data.notes import device_notes, notes_on
from asdcore.stages.scoring import score
from asdcore.stages.training import train_all
from asdcore.store.cache import Store, default_store
from asdcore.store.disk.atomic import check_writable
from asdcore.store.disk.exclusive_folder import claimed

Source = Portfolio | str | Path


class How(TypedDict, total=False):
    """How a run is made; none of it changes a result."""

    task: str | None
    store: str | Path | None
    workers: int
    device: str | None
    cluster: Any
    progress: Progress | None
    rehash: bool


@overload
def run(portfolio: Source, data: str | Path, out: str | Path, *, trials: None = None, **how: Unpack[How]) -> Run: ...


@overload
def run(portfolio: Source, data: str | Path, out: str | Path, *, trials: int, **how: Unpack[How]) -> Trials: ...


def run(
    portfolio: Source,
    data: str | Path,
    out: str | Path,
    *,
    task: str | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    device: str | None = None,
    cluster: Any = None,
    progress: Progress | None = None,
    trials: int | None = None,
    rehash: bool = False,
) -> Run | Trials:
    """Run a portfolio on a dataset and write the tables to a run folder.

    A run looks at no label. It computes only what the store lacks, so an interrupted run resumes when it is called
    again, and a second run of the same portfolio takes seconds.

    Parameters
    ----------
    portfolio : Portfolio, str or Path
        A portfolio, the path of a portfolio file, or the name of a shipped portfolio such as "default".
    data : str or Path
        The folder that holds ``<machine>/{train,test}/``.
    out : str or Path
        The run folder. It may be new, empty, or hold an earlier run, which is replaced.
    task : str, optional
        The dataset reader, such as "dcase2026". It overrides the portfolio's. Without either, the reader that knows
        the names serves: those of the challenge (the rules of 2022-2026 apply), a table ``clips.csv``, or folders of
        one's own.
    store : str or Path, optional
        The folder of cached features and scores. Default: ``$ASDCORE_STORE``, else a per-user cache folder.
    workers : int
        How many local processes share the work. 1 works in this process. The results are the same.
    device : str, optional
        A torch device such as "cuda", for the encoders that take one. Default: the CPU.
    cluster : str or distributed.Client, optional
        A Dask cluster whose workers share the work: the address of its scheduler, a scheduler file, "local" or
        "local:N" for N workers on this machine, or a client. The results are the same.
    progress : Progress, optional
        Receives each stage and note, such as ``asdcore.progress.Lines()``. Default: silent.
    trials : int, optional
        Make this many runs, with the seeds from the portfolio's on, in folders ``out/seed-0``, ``out/seed-1``, ... A
        portfolio with ``seeds`` is run with these unasked. What does not depend on the seed is computed once.
    rehash : bool
        Read every recording, also those whose size, inode and times are as a run with the same store has seen them.

    Returns
    -------
    Run or Trials
        The finished run: ``run.systems`` and its other tables are polars frames. For trials, ``runs`` by seed.

    Raises
    ------
    AsdcoreError
        If the portfolio or the data are invalid, ``out`` holds files that no run wrote, another process is writing to
        it, or a cluster does not answer or has workers that cannot do the work. Nothing is then written to ``out``.

    Examples
    --------
    >>> run = asdcore.run("logmel-knn", data="data", out="runs/mine")
    >>> run.systems.columns
    ['clip', 'system', 'role', 'base', 'penalty', 'score']
    >>> run.systems["role"].unique().sort().to_list()
    ['oof', 'test']
    """
    if isinstance(portfolio, Portfolio):
        portfolio.check_components()
    plan = portfolio if isinstance(portfolio, Portfolio) else load_portfolio(portfolio)
    root, folder = seen_by(cluster, check_utf8(given_path(data, "data"), "data")), given_path(out, "out")
    kept = Store(seen_by(cluster, path_or(store, "store", default_store())))
    seeds = plan.seeds_of_trials(trials)
    plans = {folder: plan} if seeds is None else {trial_folder(folder, seed): plan.trial(seed) for seed in seeds}
    if seeds is not None:
        check_trials_out(folder, seeds)
    for place in plans:
        check_out(place)
    check_apart(plan.choices(), root, installed())
    name, reader = lister_of(task if task is not None else plan.task, root, installed(), plan.windows)
    check_writable(kept.root)
    check_workers(workers, cluster)
    shown = EachNoteOnce(progress or Silent())
    with connected(cluster, device, shown) as connection, claimed(folder):
        shared = (name, root, kept, workers, device, shown, None, connection)
        works = {place: Work(each, *shared) for place, each in plans.items()}
        heard = next(iter(works.values())).listed(reader, rehash)
        if seeds is None:
            return works[folder].run(reader, *heard, folder)
        begin_trials(folder)
        return write_trials(folder, [work.trial(reader, *heard, place) for place, work in works.items()], shown.note)


@dataclass
class Work:
    """One run under way: a portfolio, the data it runs on, and where it keeps what it computes."""

    plan: Portfolio
    task: str
    root: Path
    store: Store
    workers: int
    device: str | None
    progress: Progress
    only: Sequence[str] | None = None
    """The plugins that may be loaded; all, if None."""
    cluster: Cluster | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    out_of_fold: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """Notes that training and scoring gave."""
    networks: Networks | None = None
    """What encoders have learnt; None: it is trained if the store lacks it."""

    def trial(self, reader: ListsClips, clips: pl.DataFrame, noticed: Noticed, folder: Path) -> Run:
        """Run one of several trials."""
        self.progress.note(f"trial with seed {self.plan.seed}, in {folder}")
        with claimed(folder):
            return self.run(reader, clips, noticed, folder)

    def run(self, reader: ListsClips, clips: pl.DataFrame, noticed: Noticed, folder: Path) -> Run:
        """Turn the clip index into a run folder."""
        plan = self.plan
        decide.check_attainable(clips, plan.decision, plan.out_of_fold)
        notes = [*notes_on(self.task, clips, plan.folds, noticed), *left_out_by(reader, self.root)]
        notes += [*decide.doubts(clips, plan.decision), *check_places(clips, plan.out_of_fold)]
        notes += [*device_notes(plan, self.device), *self.unheard_notes(clips)]
        for note in notes:
            self.progress.note(note)
        tables = self.tables(clips)
        notes += self.findings
        about = {"year": year_of(reader), "notes": notes, "levels": levels_of(clips, noticed.levels)}
        return write_run(folder, tables, about | self.about(clips))

    def listed(self, reader: ListsClips, rehash: bool = False) -> tuple[pl.DataFrame, Noticed]:
        """Return the clip index of the recordings, and what else was noticed of them."""
        with self.stage("clips", 0) as advance:
            clips, noticed = listing.clips(reader, self.root, self.store, rehash)
            advance(len(clips))
        return clips, noticed

    def unheard_notes(self, clips: pl.DataFrame) -> list[str]:
        """Say how much of these clips is beyond what an encoder hears, and where it hears bands without sound."""
        return audio_not_heard.notes(clips, self.plan.branches, installed(), self.device)

    def tables(self, clips: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Turn the clip index into every other table."""
        self.store.sweep()
        return self.fused(clips, self.scores(clips))

    def fused(self, clips: pl.DataFrame, scores: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Turn the clip index and the score table of all branches into every other table."""
        plugins = installed()
        groups = system_groups(clips, self.plan, self.out_of_fold)
        decide.check_groups(clips, self.plan.decision, groups)
        self.find(tail_notes(scores, clips, self.plan, self.out_of_fold, plugins))
        with self.stage("fuse", len(self.plan.systems)) as advance:
            calibrated = calibrate.calibrate(scores, clips, self.plan.branches, plugins)
            mirrors = {name: self.plan.branches[name] for name in sorted(self.plan.mirrored)}
            mirrored = calibrate.mirror(scores, clips, mirrors, plugins) if mirrors else None
            systems = fuse.fuse(calibrated, clips, self.plan.systems, plugins, mirrored)
            decisions = decide.decide(systems, clips, self.plan.decision, groups)
            advance(len(self.plan.systems))
        return {"clips": clips, "scores": scores, "calibrated": calibrated, "systems": systems, "decisions": decisions}

    def scores(self, clips: pl.DataFrame) -> pl.DataFrame:
        """Embed and score whatever the store lacks, and return the score table of all branches."""
        plugins, branches = installed(), self.plan.branches
        if self.networks is None:
            self.networks = train_all.train_all(clips, self)
            self.find(self.networks.notes())
        context = (self.store, plugins, self.device, self.networks)
        chunks = embed.plan(clips, self.root, branches, *context)
        embed_held_whole.check(chunks, clips)
        embed.try_out(chunks, clips, self.root)
        jobs = {name: score.plan(clips, name, self.plan, *context) for name in branches}
        # Two branches that differ in their normalizer alone share their scores.
        missing = {job.path: job for group in jobs.values() for job in group if not job.is_done}
        names = dict(zip(clips["sha256"], clips["clip"], strict=True))
        heard = [path for chunk in chunks[:1] for path, _ in chunk.clips[:1]]
        with clips_named(names), self.pool(heard, needed=bool(chunks or missing)) as pool:
            with self.stage("embed", sum(len(chunk.clips) for chunk in chunks)) as advance:
                for count in run_jobs(pool, embed.embed, chunks):
                    advance(count)
            with self.stage("score", len(missing)) as advance:
                for count in run_jobs(pool, score.score_together, score.together(missing.values())):
                    advance(count)
        self.out_of_fold, notes = out_of_fold(score.scored(clips, jobs, plugins, self.networks))
        self.find([*notes, *decide.group_notes(self.out_of_fold, self.plan.decision)])
        return pl.concat([score.assemble(clips, name, group, self.store) for name, group in jobs.items()])

    def find(self, notes: Sequence[str]) -> None:
        """Keep notes for the record of the run, and show them."""
        for note in notes:
            self.findings.append(note)
            self.progress.note(note)

    @contextmanager
    def pool(self, recordings: Sequence[Path] = (), *, needed: bool = True) -> Iterator[Executor | Elsewhere]:
        """Give what runs work: a cluster whose workers can read ``recordings``, or processes here, one if unneeded."""
        if self.cluster and needed:
            from asdcore.cluster.pool import pool_on

            with pool_on(self.cluster, self.plan, self.store.root, recordings, self.only) as elsewhere:
                yield elsewhere
        else:
            prepare = None if self.only is None else partial(restrict, self.only)
            with executor(self.workers if needed else 1, prepare) as here:
                yield here

    def about(self, clips: pl.DataFrame) -> dict[str, Any]:
        """Return what ``run.json`` says of the work: what ran, on what, with what."""
        about = about_run(self.plan, self.task, self.root, self.store, self.device, clips, self.networks or NONE)
        return {**about, "out_of_fold": self.out_of_fold, "seconds": self.seconds}

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Any]:
        """Show a stage and keep its seconds of wall time."""
        started = time.perf_counter()
        with self.progress.stage(name, total) as advance:
            yield advance
        self.seconds[name] = round(time.perf_counter() - started, 3)
