"""The stages in order. This is the file to read first.

clips      the dataset reader lists what there is                     -> clips.parquet
train      encoders that learn from train normals, each once; what one has learnt is kept in the store
embed      view, encoder, pooling: features, kept in the store
score      scorers fitted on train normals, out-of-fold scores too    -> scores.parquet; what each has learnt is kept
calibrate  each branch on the scale of its train normals              -> calibrated.parquet
fuse       weights, transforms and guards                             -> systems.parquet
decide     a threshold from train normals                             -> decisions.parquet
evaluate   a step of its own, evidence/logged_evaluation.py: the labels -> evaluation.json

Inference (frozen/infer.py) and a detector (detector/) go the same way by scorers that are brought back, not fitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path, path_or
from asdcore.compute.kernels import processor
from asdcore.compute.recipes import (
    component_origins,
    feature_recipe,
    features_digest,
    inputs_digest,
    is_trainable,
    library_versions,
    takes_device,
)
from asdcore.compute.recordings_out_of_reach import check_apart
from asdcore.compute.relayed_progress import relays
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import installed
from asdcore.contract.sources import files_digest, framework_files
from asdcore.data.clips import completed, decoded_before, noticing_rests
from asdcore.errors import clips_named
from asdcore.evidence.tail_notes import tail_notes
from asdcore.execution import executor, run_jobs
from asdcore.held_out import NONE, Networks, check_places, out_of_fold, system_groups
from asdcore.portfolio import DEFAULT_TASK, Portfolio, load_portfolio
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import Run, check_out, write_run
from asdcore.stages import audio_not_heard, calibrate, decide, embed, fuse, score, train
from asdcore.stages.notes import notes_on
from asdcore.store.atomic import check_writable
from asdcore.store.cache import Store, default_store
from asdcore.store.digest import TABLE_ALGORITHM, table_digest
from asdcore.store.exclusive_folder import claimed
from asdcore.version import __version__

CURRENT_YEAR = 2026
"""The rules of 2022-2026 apply if a dataset reader names no year."""


def run(
    portfolio: Portfolio | str | Path,
    data: str | Path,
    out: str | Path,
    *,
    task: str | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    device: str | None = None,
    progress: Progress | None = None,
) -> Run:
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
        The dataset reader, such as "dcase2026". It overrides the portfolio's. Without either, the form of the file
        names is detected and the rules of 2022-2026 apply.
    store : str or Path, optional
        The folder of cached features and scores. Default: ``$ASDCORE_STORE``, else a per-user cache folder.
    workers : int
        How many local processes share the work. 1 works in this process. The results are the same.
    device : str, optional
        A torch device such as "cuda", for the encoders that take one. Default: the CPU.
    progress : Progress, optional
        Receives each stage and note, such as ``asdcore.progress.Lines()``. Default: silent.

    Returns
    -------
    Run
        The finished run: ``run.systems`` and its other tables are polars frames.

    Raises
    ------
    AsdcoreError
        If the portfolio or the data are invalid, ``out`` holds files that no run wrote, or another process is
        writing to it. Nothing is then written to ``out``.

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
    root, folder = given_path(data, "data"), given_path(out, "out")
    kept = Store(path_or(store, "store", default_store()))
    check_out(folder)
    check_apart(plan.choices(), root, installed())
    name = task if task is not None else plan.task or DEFAULT_TASK
    reader: Dataset = installed().build("dataset", name, {})
    check_writable(kept.root)
    work = Work(plan, name, root, kept, workers, device, progress or Silent())
    with claimed(folder):
        clips, rests = work.listed(reader)
        decide.check_attainable(clips, plan.decision, plan.out_of_fold)
        notes = [*notes_on(name, clips, plan.folds, rests), *decide.doubts(clips, plan.decision)]
        notes += [*check_places(clips, plan.out_of_fold), *work.device_notes(), *work.unheard_notes(clips)]
        for note in notes:
            work.progress.note(note)
        tables = work.tables(clips)
        about = {"year": getattr(reader, "year", CURRENT_YEAR), "notes": [*notes, *work.findings], **work.about(clips)}
        return write_run(folder, tables, about)


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
    prepare: Callable[[], object] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    out_of_fold: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """Notes that training and scoring gave."""
    networks: Networks | None = None
    """What encoders have learnt; None: a run, which trains those that the store lacks."""

    def listed(self, reader: Dataset) -> tuple[pl.DataFrame, Any]:
        """Return the clip index of the recordings, and what was noticed of their last bytes."""
        with self.stage("clips", 0) as advance, decoded_before(self.encoded()), noticing_rests() as rests:
            clips = completed(reader.clips(self.root))
            advance(len(clips))
        return clips, rests

    def encoded(self) -> set[str]:
        """Return the audio digests that the store holds features of: those clips have been decoded before."""
        parts = (part for branch in self.plan.branches.values() for part in branch.parts)
        recipes = (
            feature_recipe(part, installed(), self.device)
            for part in parts
            if not is_trainable(installed().component("encoder", part.encoder.name))
        )
        return set().union(*(self.store.features(recipe).held() for recipe in recipes))

    def device_notes(self) -> list[str]:
        """Say so if a device was named and no encoder takes one."""
        encoders = [installed().component("encoder", branch.encoder.name) for branch in self.plan.branches.values()]
        if self.device is None or any(map(takes_device, encoders)):
            return []
        return [f"no encoder of this portfolio takes a device: {self.device!r} changes nothing."]

    def unheard_notes(self, clips: pl.DataFrame) -> list[str]:
        """Say how much of these clips is beyond what an encoder hears."""
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
        self.findings += (doubts := tail_notes(scores, clips, self.plan, self.out_of_fold, plugins))
        for note in doubts:
            self.progress.note(note)
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
            self.networks = self.trained(clips)
        known = (self.store, plugins, self.device, self.networks)
        chunks = embed.plan(clips, self.root, branches, *known)
        embed.try_out(chunks, clips, self.root)
        jobs = {name: score.plan(clips, name, self.plan, *known) for name in branches}
        # Two branches that differ in their normalizer alone share their scores.
        missing = {job.path: job for group in jobs.values() for job in group if not job.is_done}
        names = dict(clips.select("sha256", "clip").rows())
        with clips_named(names), executor(self.workers if chunks or missing else 1, self.prepare) as pool:
            with self.stage("embed", sum(len(chunk.clips) for chunk in chunks)) as advance:
                for count in run_jobs(pool, embed.embed, chunks):
                    advance(count)
            with self.stage("score", len(missing)) as advance:
                for count in run_jobs(pool, score.score_together, score.together(missing.values())):
                    advance(count)
        self.out_of_fold, notes = out_of_fold(score.scored(clips, jobs, plugins, self.networks))
        self.findings += notes
        self.findings += decide.group_notes(self.out_of_fold, self.plan.decision)
        for note in self.findings:
            self.progress.note(note)
        return pl.concat([score.assemble(clips, name, group, self.store) for name, group in jobs.items()])

    def trained(self, clips: pl.DataFrame) -> Networks:
        """Train what the store lacks, and return the trained networks; none of a portfolio that trains nothing."""
        jobs = train.plan(clips, self.root, self.plan, self.store, installed(), self.device)
        if not jobs:
            return NONE
        missing = train.together([job for job in jobs if not job.is_done])
        hearings = train.try_out(missing)
        names = dict(clips.filter(pl.col("split") == "train").select("sha256", "clip").rows())
        with clips_named(names), executor(self.workers if missing else 1, self.prepare) as pool:
            with self.stage("hear", sum(len(chunk.clips) for chunk in hearings)) as advance:
                for count in run_jobs(pool, train.hear, hearings):
                    advance(count)
            with self.stage("train", len(missing)) as advance, relays(missing, self.workers) as relayed:
                for _ in run_jobs(pool, train.train, relayed):
                    advance(1)
        train.forget_waveforms(hearings)
        networks = Networks.of(self.plan, train.record(jobs, self.store.root), self.store.root)
        self.findings += networks.notes()
        return networks

    def about(self, clips: pl.DataFrame) -> dict[str, Any]:
        """Return what ``run.json`` says of the work: what ran, on what, with what."""
        networks = self.networks or NONE
        return {
            "asdcore": __version__,
            "portfolio": self.plan.model_dump(mode="json"),
            "portfolio_digest": self.plan.digest,
            "task": self.task,
            "plugins": component_origins([("dataset", self.task), *self.plan.components()], installed()),
            "features": {
                name: features_digest(networks.variants(name, branch), installed(), self.device)
                for name, branch in self.plan.branches.items()
            },
            **({"trained": list(networks.rows)} if networks.rows else {}),
            "out_of_fold": self.out_of_fold,
            "inputs": inputs_digest(self.plan.choices(), installed()),
            "code_sha256": files_digest(*framework_files()),
            "device": self.device or "cpu",
            "data": str(self.root.resolve()),
            "data_digest": table_digest(clips.select("clip", "sha256"), ("clip",)),
            "store": str(self.store.root.resolve()),
            "digest_algorithm": TABLE_ALGORITHM,
            "libraries": library_versions(),
            "processor": processor(),
            "seconds": self.seconds,
        }

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Any]:
        """Show a stage and keep its seconds of wall time."""
        started = time.perf_counter()
        with self.progress.stage(name, total) as advance:
            yield advance
        self.seconds[name] = round(time.perf_counter() - started, 3)
