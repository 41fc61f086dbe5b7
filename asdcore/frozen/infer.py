"""Infer: score evaluation recordings in one pass, as a manifest says.

verify     everything pinned must be as it was frozen
list       the clips by their names; train clips of new machines are inspected
read       each evaluation clip once: digest, decode, views, encoders                -> features
score      the frozen scorers, brought back from their states; those of a machine that is new are fitted
prove      this machine computes what was frozen, bit for bit: features before reading, scores before writing
write      the tables of a run, and score and decision files of every system

Nothing is fitted on a test clip, and a clip is scored as if it were alone. A killed inference resumes where it
stopped; a refused one leaves nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.basics.paths import places as named
from asdcore.cluster.connection import Cluster, check_workers, connected, seen_by
from asdcore.components.readers import ListsClips, build_lister, left_out_by, year_of
from asdcore.compute.component_checks.recordings_out_of_reach import check_apart
from asdcore.compute.kernels import KernelChange
from asdcore.contract.plugins import installed, restricted
from asdcore.data.clip_index.clips import completed, looked_at
from asdcore.data.clip_index.noticed import Noticed, noticing
from asdcore.data.recordings.audio import AudioFacts
from asdcore.errors import DataError
from asdcore.execution import run_jobs
from asdcore.frozen.inference.bit_checks import kernels_named, prove_features, prove_recipes, prove_tables, proven_notes
from asdcore.frozen.inference.evaluation_recordings import (
    check_alike,
    check_names,
    like_test,
    of,
    readable_clips,
    train_facts,
    unreadable,
    with_their_sounds,
)
from asdcore.frozen.inference.evaluation_scores import evaluation_scores
from asdcore.frozen.inference.inference_inputs import needed_by_inference
from asdcore.frozen.inference.inference_notes import beside_frozen, device_notes
from asdcore.frozen.inference.output_folder import (
    SCORE_FILES,
    WORK,
    check_unfinished,
    check_unfrozen,
    mark,
    removed_if_refused,
)
from asdcore.frozen.inference.reading_jobs import reading_jobs
from asdcore.frozen.manifest.locations import Roots, roots_of
from asdcore.frozen.manifest.statement import Manifest, read_manifest
from asdcore.frozen.verify import compare
from asdcore.frozen.verifying.linked_store import link_store
from asdcore.frozen.verifying.refusal import refuse_unless_passed
from asdcore.held_out import Networks
from asdcore.pipeline import Work
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import Run, load_run
from asdcore.runs.writing import write_run
from asdcore.stages.decide import check_attainable
from asdcore.stages.embedding import embed
from asdcore.stages.notes_on_data.notes import notes_on
from asdcore.store.cache import Store
from asdcore.store.disk.atomic import disk_trouble
from asdcore.store.disk.exclusive_folder import claimed
from asdcore.store.tables import CELL, CLIP_INDEX
from asdcore.submission.package import write_scores

NAMES = ["clip", *CELL, "split"]


def infer(
    manifest: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    public_key: str | Path | None = None,
    frozen_data: str | Path | None = None,
    run: str | Path | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    cluster: Any = None,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Score the test clips below ``data`` with a frozen portfolio, once, into a run folder.

    Everything is verified first, and nothing is fitted on a test clip. A killed inference resumes where it stopped.

    Parameters
    ----------
    manifest : path
        The manifest that :func:`asdcore.freeze` wrote.
    data : path
        The folder that holds ``<machine>/test/``. A machine and section that was not frozen also needs train clips.
    out : path
        A new folder, for tables, score files and decision files.
    public_key : path, optional
        Check the manifest's signature with this key.
    frozen_data, run, store : path, optional
        The frozen recordings, run folder and store, if they have moved since.
    workers : int, optional
        Processes to work in.
    cluster : str or distributed.Client, optional
        The Dask cluster whose workers share the work, as for :func:`asdcore.run`. They must see ``out``, too.
    skip_unreadable : bool, optional
        Leave out unreadable test clips, such as one that is still being written, and name them in
        ``run.about["skipped"]``. By default they are an error.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Run
        The inference: a run whose ``decisions`` are those of the test clips.

    Raises
    ------
    ManifestError
        If anything is not as it was frozen, or this machine computes other numbers. Nothing is written then.
    DataError
        If the recordings cannot be scored.
    StoreError
        If ``out`` holds a finished inference, or files that no inference made.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> final = asdcore.infer("first.json", data="data", out="runs/final")
    >>> final.decisions.columns
    ['clip', 'system', 'score', 'threshold', 'decision']
    """
    target, root = (seen_by(cluster, given_path(*each)) for each in ((out, "out"), (data, "data")))
    shown = progress or Silent()
    check_unfinished(target)
    pinned = read_manifest(given_path(manifest, "the manifest"))
    names = [row["plugin"] for row in pinned.predicate["plugins"]]
    given_places = named(data=frozen_data, run=run, store=store)
    roots = roots_of(pinned, {name: seen_by(cluster, place) for name, place in given_places.items()})
    verified = compare(pinned, roots, str(manifest), shown, public_key)
    given = f"--data {root} --out {target}"
    refuse_unless_passed(needed_by_inference(verified, roots.folders["run"]), given)
    check_unfrozen(target, roots)
    check_workers(workers, cluster)
    device = pinned.predicate["run"]["device"]
    with (
        restricted(names),
        connected(cluster, device, shown) as connection,
        claimed(target),
        kernels_named(verified.kernels, str(manifest), given),
    ):
        check_unfinished(target)
        work = _Inference(
            pinned, roots, root, target, workers, connection, shown, names, verified.kernels, skip_unreadable
        )
        return work.finish()


@dataclass
class _Inference:
    """One inference under way."""

    manifest: Manifest
    roots: Roots
    data: Path
    out: Path
    workers: int
    cluster: Cluster | None
    progress: Progress
    only: Sequence[str]
    kernels: Sequence[KernelChange] = ()
    skip_unreadable: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    noticed: Noticed = field(default_factory=Noticed)

    @cached_property
    def plan(self) -> Portfolio:
        return parse_portfolio(self.manifest.predicate["portfolio"])

    @cached_property
    def task(self) -> str:
        return str(self.manifest.predicate["run"]["task"])

    @cached_property
    def frozen(self) -> Run:
        return load_run(self.roots.folders["run"])

    @cached_property
    def reader(self) -> ListsClips:
        return build_lister(self.task, installed(), self.plan.windows)

    @cached_property
    def year(self) -> int:
        return year_of(self.reader)

    @cached_property
    def work(self) -> Work:
        device = self.manifest.predicate["run"]["device"]
        networks = Networks.recorded(self.frozen.about, self.out / WORK)
        return Work(
            self.plan,
            self.task,
            self.data,
            Store(self.out / WORK),
            self.workers,
            None if device == "cpu" else device,
            self.progress,
            self.only,
            self.cluster,
            networks=networks,
        )

    def finish(self) -> Run:
        """Do all steps and return the finished inference."""
        check_apart(self.plan.choices(), self.data, installed())
        with looked_at({}):
            listed = self.reader.clips(self.data).select(NAMES).sort("clip")
        check_names(listed, self.frozen.clips, self.data, self.year)
        prove_recipes(self.work, self.frozen)
        facts = train_facts(listed, self.frozen.clips, self.data, self.plan)
        with removed_if_refused(self.out):
            clips = self.clips(listed, facts)
            check_attainable(clips, self.plan.decision, self.plan.out_of_fold)
            notes = [*notes_on(self.task, clips, self.plan.folds, self.noticed), *left_out_by(self.reader, self.data)]
            notes += beside_frozen(clips, self.frozen, self.noticed, self.year)
            notes += [*device_notes(self.work), *self.work.unheard_notes(clips)]
            notes += [f"left out as unreadable: {problem}" for problem in self.skipped.values()]
            for note in notes:
                self.progress.note(note)
            tables = self.work.fused(clips, evaluation_scores(self.work, self.frozen, clips))
            prove_tables(self.frozen, self.frozen_normals(listed), tables)
            return self.write(tables, [*notes, *self.work.findings, *proven_notes(self.kernels, self.progress)])

    def clips(self, listed: pl.DataFrame, facts: dict[str, AudioFacts | str]) -> pl.DataFrame:
        """Read and embed every test clip, and return the clip index: what scorers are fitted on, and the test clips."""
        self.bring_features()
        test, work = of(listed, "test"), self.work
        paths = {self.data / clip: clip for clip in test["clip"]}
        machines = dict(zip(paths, test["machine"], strict=True))
        frozen = self.frozen_normals(listed)
        jobs = reading_jobs(work, machines, facts)
        with self.work.pool(list(paths)[:1]) as pool:
            if self.work.device is None:
                prove_features(self.work, frozen, self.roots.folders["data"], pool)
            with self.work.stage("read", len(paths)) as advance:
                for heard in run_jobs(pool, embed.embed_new, jobs):
                    facts |= {paths[path]: fact for path, fact in heard}
                    advance(len(heard))
        if self.skip_unreadable:
            self.skipped = unreadable(facts, set(paths.values()), self.data)
            listed = listed.filter(~pl.col("clip").is_in(list(self.skipped)))
        with looked_at(facts), noticing() as self.noticed:
            index = completed(readable_clips(self.reader, self.data, self.skipped, facts))
        if not index.select(NAMES).sort("clip").equals(listed):
            raise DataError(f"Clips below {self.data} were added or removed meanwhile. Run again when it is complete.")
        own, test = like_test(of(index, "train"), listed).join(frozen, on=CELL, how="anti"), of(index, "test")
        check_alike(test, pl.concat([frozen, own], how="diagonal"))
        new = with_their_sounds(pl.concat([own, test], how="diagonal"), self.noticed, self.data, self.plan)
        return CLIP_INDEX.check(pl.concat([frozen, new], how="diagonal").sort("clip"))

    def frozen_normals(self, listed: pl.DataFrame) -> pl.DataFrame:
        """Return the frozen train clips of the machines and sections that have test clips."""
        return like_test(of(self.frozen.clips, "train"), listed)

    def bring_features(self) -> None:
        """Link frozen features and states into this inference's store, so that the frozen store never changes."""
        root = self.work.store.root
        with disk_trouble(root):
            root.mkdir(parents=True, exist_ok=True)
            mark(root)
        link_store(self.manifest, self.roots, root)

    def write(self, tables: dict[str, pl.DataFrame], notes: list[str]) -> Run:
        """Write the run folder with its score files, then remove intermediate results."""
        about: dict[str, Any] = self.work.about(tables["clips"])
        frozen = {"name": self.manifest.predicate["name"], "sha256": self.manifest.sha256}
        store = str(self.roots.folders["store"].resolve())
        about |= {"year": self.year, "notes": notes, "manifest": frozen, "store": store}
        about |= {"skipped": sorted(self.skipped)} if self.skipped else {}
        scored = (tables["clips"], tables["systems"], tables["decisions"])

        def score_files(stage: Path) -> None:
            for system in self.plan.systems:
                write_scores(stage / SCORE_FILES / system, *scored, system, self.year)

        check_unfinished(self.out)
        finished = write_run(self.out, tables, about, score_files)
        shutil.rmtree(self.out / WORK, ignore_errors=True)
        return finished
