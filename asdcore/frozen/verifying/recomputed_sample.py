"""Prove that this machine computes the frozen bytes: a sample of the run is computed again and compared, bit for bit.

features    one train normal of every machine and section, in every branch, from its recording
scores      by the frozen scorers, brought back: each one's probe, and one test clip of every machine and section, from
            their frozen features
tables      calibrated, systems and decisions, each from the frozen table before it

It is asked for by another processor, or other kernels (:mod:`asdcore.compute.kernels`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from asdcore.compute.kernels import KernelChange, in_short
from asdcore.compute.recipes import feature_recipe
from asdcore.contract.plugins import installed, restricted
from asdcore.errors import AsdcoreError
from asdcore.execution import run_jobs
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.statement import Manifest
from asdcore.frozen.verifying.differences import CHANGED, Difference
from asdcore.frozen.verifying.how_far import Apart, arrays_apart, in_words, tables_apart
from asdcore.frozen.verifying.linked_store import link_store
from asdcore.held_out import Networks, system_groups
from asdcore.pipeline import Work
from asdcore.portfolio import parse_portfolio
from asdcore.progress import Progress
from asdcore.runs.folder import TABLES, Run, load_run
from asdcore.stages import calibrate, decide, fuse
from asdcore.stages.embedding import embed
from asdcore.stages.scoring import score_jobs
from asdcore.stages.scoring.score_new import NewScores, Probe, assemble_new, score_new
from asdcore.store.cache import Store
from asdcore.store.tables import CELL, SCORES

GROUP = "kernels"


@dataclass(frozen=True)
class Proof:
    """What a proof found: the differences, and a note on what was compared."""

    differences: list[Difference]
    note: str


def prove(
    manifest: Manifest,
    roots: Roots,
    kernels: Sequence[KernelChange],
    workers: int,
    progress: Progress,
    *,
    every_clip: bool = False,
) -> Proof:
    """Compute a sample of a frozen run again, with the pinned plugins alone.

    Parameters
    ----------
    manifest : Manifest
        The frozen run, all of whose files are here and as they were frozen.
    roots : Roots
        Where they are.
    kernels : sequence of KernelChange
        Why a proof is needed.
    workers : int
        Processes to work in.
    progress : Progress
        Reports progress.
    every_clip : bool
        Whether the frozen scorers must score every test clip as they did, and not one of each machine and section.

    Returns
    -------
    Proof
        Without differences if every byte of the sample is the frozen one.
    """
    names = [row["plugin"] for row in manifest.predicate["plugins"]]
    with TemporaryDirectory(prefix="asdcore-proof-") as folder, restricted(names):
        run, again, frozen = manifest.predicate["run"], Path(folder) / "again", Path(folder) / "frozen"
        link_store(manifest, roots, frozen)
        work = Work(
            parse_portfolio(manifest.predicate["portfolio"]),
            run["task"],
            roots.folders["data"],
            Store(again),
            workers,
            None if run["device"] == "cpu" else run["device"],
            progress,
            names,
        )
        sample = _Sample(work, load_run(roots.folders["run"]), Store(frozen), in_short(kernels), every_clip)
        try:
            differences = list(sample.differences())
        except AsdcoreError as error:
            detail = f"cannot be computed again: {error} ({sample.kernels})"
            differences = [Difference(CHANGED, GROUP, "run/scores.parquet", detail)]
        verb, link = ("does not compute", ":") if differences else ("computes", ", though")
        note = f"this machine {verb} the frozen bytes ({sample.contents()}){link} {sample.kernels}."
        return Proof(differences, note)


def recomputed_note(kernels: Sequence[KernelChange], changed: Sequence[Difference]) -> str:
    """Say that every table came out again, or on which kernels it did not; "" on the kernels of the freeze."""
    if not kernels:
        return ""
    if changed:
        return f"these tables were built anew on other kernels: {in_short(kernels)}."
    return f"this machine computes the frozen bytes (every table was built anew), though {in_short(kernels)}."


def unproven_note(kernels: Sequence[KernelChange]) -> str:
    """Say that nothing was proven, because other things differ."""
    unproven = "whether this machine computes the frozen bytes was not proven, since files or versions differ"
    return f"{unproven}: {in_short(kernels)}."


@dataclass
class _Sample:
    """A sample of a frozen run, computed again.

    work : computes features into an empty store. store : links to the frozen features, for scores.
    """

    work: Work
    frozen: Run
    store: Store
    kernels: str
    every_clip: bool = False

    @cached_property
    def networks(self) -> Networks:
        """The frozen networks."""
        return Networks.recorded(self.frozen.about, self.store.root)

    @cached_property
    def normals(self) -> pl.DataFrame:
        """The frozen train normals."""
        return self.frozen.clips.filter(pl.col("split") == "train")

    @cached_property
    def samples(self) -> pl.DataFrame:
        """One train normal of every machine and section."""
        return self.normals.unique(CELL, keep="first", maintain_order=True)

    @cached_property
    def tested(self) -> pl.DataFrame:
        """One test clip of every machine and section, or all; if there is none, the sampled train normal stands in."""
        test = self.frozen.clips.filter(pl.col("split") == "test")
        test = test if self.every_clip else test.unique(CELL, keep="first", maintain_order=True)
        others = self.samples.join(test, on=CELL, how="anti").with_columns(split=pl.lit("test"))
        return pl.concat([test, others])

    def differences(self) -> Iterator[Difference]:
        """Compute the sample again and yield what differs."""
        with self.work.pool() as pool:
            if self.work.device is None:
                yield from self.features(pool)
            yield from self.scores(pool)
        yield from self.tables()

    def features(self, pool: Any) -> Iterator[Difference]:
        """Compare the features of the sample, made from its recordings."""
        paths = {self.work.root / clip: machine for clip, machine in self.samples.select("clip", "machine").rows()}
        jobs = embed.plan_new(paths, self.work.plan.branches, self.work.store, installed(), None, self.networks)
        with self.work.stage("prove features", len(paths)) as advance:
            for heard in run_jobs(pool, embed.embed_new, jobs):
                for path, facts in heard:
                    if isinstance(facts, str):
                        raise AsdcoreError(f"{path} has no features here. {facts}")
                advance(len(heard))
        for name, branch in self.work.plan.branches.items():
            for machine, section, clip, sha256 in self.samples.select(*CELL, "clip", "sha256").rows():
                for part in self.networks.branch(name, branch, machine).parts:
                    recipe = feature_recipe(part, installed(), None)
                    then, now = (store.features(recipe).load([sha256]) for store in (self.store, self.work.store))
                    if then.shape != now.shape or then.tobytes() != now.tobytes():
                        yield self._of_branch(
                            name, machine, section, f"the features of {clip}", arrays_apart(then, now)
                        )
                        break

    def scores(self, pool: Any) -> Iterator[Difference]:
        """Compare what the frozen scorers give their probes and one test clip of every machine and section."""
        plan, device, clips = self.work.plan, self.work.device, pl.concat([self.normals, self.tested])
        context = (self.store, installed(), device, self.networks)
        jobs = {name: score_jobs.plan(clips, name, plan, *context) for name in plan.branches}
        groups = score_jobs.together({job.path: job for of_branch in jobs.values() for job in of_branch}.values())
        scored: dict[Path, NewScores] = {}
        with self.work.stage("prove scores", len(groups)) as advance:
            for of_group in run_jobs(pool, score_new, groups):
                scored |= of_group
                advance(1)
        cells = clips.select(CELL).unique(maintain_order=True).rows()
        # Branches that differ in their normalizer alone share jobs.
        places = {job.where: cell for of_branch in jobs.values() for job, cell in zip(of_branch, cells, strict=True)}
        for name, of_branch in jobs.items():
            table, probes = assemble_new(clips, name, of_branch, scored, self.frozen.scores)
            for probe in probes:
                if (apart := _probe_apart(probe)) != Apart(0.0, 0.0):
                    machine, section = places[probe.where]
                    yield self._of_branch(name, machine, section, "the scores of its probe", apart)
            frozen = self.frozen.scores.filter((pl.col("branch") == name) & (pl.col("role") == "test"))
            for (machine, section), then in frozen.join(self.tested, on="clip", how="semi").group_by(
                CELL, maintain_order=True
            ):
                now = table.filter(pl.col("role") == "test").join(then, on=list(SCORES.key), how="semi")
                if not _same("scores", then, now):
                    what = f"the scores of {then['clip'][0]}"
                    yield self._of_branch(name, machine, section, what, tables_apart("scores", then, now))

    def tables(self) -> Iterator[Difference]:
        """Compare each table that is made of the one before it, test clips included."""
        plan, plugins, frozen, clips = self.work.plan, installed(), self.frozen, self.frozen.clips
        mirrors = {name: plan.branches[name] for name in sorted(plan.mirrored)}
        mirrored = calibrate.mirror(frozen.scores, clips, mirrors, plugins) if mirrors else None
        groups = system_groups(clips, plan, frozen.about["out_of_fold"])
        again = {
            "calibrated": calibrate.calibrate(frozen.scores, clips, plan.branches, plugins),
            "systems": fuse.fuse(frozen.calibrated, clips, plan.systems, plugins, mirrored),
            "decisions": decide.decide(frozen.systems, clips, plan.decision, groups),
        }
        for name, table in again.items():
            then: pl.DataFrame = getattr(frozen, name)
            if not _same(name, then, table):
                yield self._difference(f"run/{name}.parquet", "its rows", tables_apart(name, then, table))

    def contents(self) -> str:
        """Say of what the sample consists."""
        branches = len(self.work.plan.branches)
        features = f"features of {_times(len(self.samples), 'train normal')} from the recording"
        if self.work.device is not None:
            features = f"no features, which {self.work.device} computed"
        return (
            f"sample: {features}, scores of {_times(len(self.tested), 'test clip')} and of every scorer's probe, "
            f"{branches} branch{'es' * (branches > 1)}, and the tables calibrated, systems and decisions"
        )

    def _of_branch(self, branch: str, machine: object, section: object, what: str, apart: Apart | None) -> Difference:
        return self._difference(f"branch/{branch}/{machine}/{section}", what, apart)

    def _difference(self, artifact: str, what: str, apart: Apart | None) -> Difference:
        detail = f"{what} differ here {in_words(apart)}, 0 is allowed; {self.kernels}"
        return Difference(CHANGED, GROUP, artifact, detail)


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _probe_apart(probe: Probe) -> Apart | None:
    """Return how far the scores of a probe are from those that were kept: 0 if they are equal."""
    if set(probe.then) != set(probe.now):
        return None
    pairs = [(probe.then[reference], probe.now[reference]) for reference in sorted(probe.then)]
    if all(then.tobytes() == now.tobytes() for then, now in pairs):
        return Apart(0.0, 0.0)
    return arrays_apart(*(np.concatenate(values) for values in zip(*pairs, strict=True)))


def _same(name: str, then: pl.DataFrame, now: pl.DataFrame) -> bool:
    key = list(TABLES[name].key)
    return then.sort(key).equals(now.select(then.columns).sort(key))
