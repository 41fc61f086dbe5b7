"""Prove that this machine computes what was frozen: frozen train normals get their frozen values, bit for bit.

recipes     each branch's features would be made by the same code, libraries and parameters
features    one train normal of every machine and section, encoded again, gets its frozen features
probes      the frozen scorers, brought back, give one train normal each the scores that they gave when they were kept
tables      every train normal gets its frozen values, calibrated and in each system
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from asdcore.compute.kernels import KernelChange, in_short
from asdcore.compute.recipes import feature_recipe, features_digest, library_versions
from asdcore.contract.plugins import installed
from asdcore.errors import ManifestError
from asdcore.execution import Elsewhere, run_jobs
from asdcore.frozen.verifying.how_far import arrays_apart, in_words, tables_apart
from asdcore.frozen.verifying.kernel_settings import settings
from asdcore.held_out import NONE
from asdcore.progress import Progress
from asdcore.runs.folder import TABLES, Run
from asdcore.stages.embedding import embed
from asdcore.stages.scoring.score_new import Probe
from asdcore.store.cache import Store
from asdcore.store.disk.atomic import disk_trouble, working_folder

if TYPE_CHECKING:  # a detector proves its scorers here, and needs none of what runs a portfolio
    from asdcore.pipeline import Work

SCORED = ("calibrated", "systems")


class OtherBytesError(ManifestError):
    """Says that this machine computes other bytes than were frozen, and which; the text has no full stop."""


@contextmanager
def kernels_named(kernels: Sequence[KernelChange], manifest: str, given: str) -> Iterator[None]:
    """Say with an :class:`OtherBytesError` which kernels are not those of the freeze, and what to type next.

    given : the options of ``infer``.
    """
    try:
        yield
    except OtherBytesError as error:
        because = f"Not as when it was frozen: {in_short(kernels)}" if kernels else "Everything pinned is the same"
        command = settings(kernels)
        back = f" With the kernels of the freeze: {command} asdcore infer {manifest} {given}" if command else ""
        raise ManifestError(
            f"{error}. Nothing was written. {because}. 'asdcore verify {manifest} --recompute' says how far every "
            f"table is.{back}"
        ) from None


def prove_recipes(work: Work, frozen: Run) -> None:
    """Raise ManifestError if features would be made differently here than in the frozen run."""
    networks, then = work.networks or NONE, frozen.about["features"]
    names = [
        name
        for name, branch in work.plan.branches.items()
        if features_digest(networks.variants(name, branch), installed(), work.device) != then.get(name)
    ]
    if names:
        before, now = frozen.about["libraries"], library_versions()
        other = [
            f"{library} was {before.get(library)}, it is {now[library]}"
            for library in now
            if before.get(library) != now[library]
        ]
        raise ManifestError(
            f"The features of branch {', '.join(names)} would not be made as they were frozen, so nothing was inferred"
            f"{': ' * bool(other)}{'; '.join(other)}. Restore what it was frozen with, or run and freeze anew."
        )


def prove_features(work: Work, normals: pl.DataFrame, recordings: Path, pool: Executor | Elsewhere) -> None:
    """Raise OtherBytesError unless one train normal of each cell gets, here and now, the features that were frozen.

    normals : the frozen train clips of every machine and section to be scored. recordings : where they lie.
    """
    samples = normals.unique(["machine", "section"], keep="first", maintain_order=True)
    paths = {recordings / clip: machine for clip, machine in samples.select("clip", "machine").rows()}
    with disk_trouble(work.store.root), working_folder(work.store.root, "proof") as folder:
        again = Store(folder)
        networks = work.networks or NONE
        jobs = embed.plan_new(paths, work.plan.branches, again, installed(), work.device, networks)
        heard = [facts for chunk in run_jobs(pool, embed.embed_new, jobs) for _, facts in chunk]
        if lost := [facts for facts in heard if isinstance(facts, str)]:
            raise OtherBytesError(f"Frozen train normals have no features on this machine: {lost[0]}")
        proven = set[tuple[str, str]]()
        for clip, sha256, machine in samples.select("clip", "sha256", "machine").rows():
            for name, branch in work.plan.branches.items():
                for part in networks.branch(name, branch, machine).parts:
                    recipe = feature_recipe(part, installed(), work.device)
                    sets = [store.features(recipe) for store in (work.store, again)]
                    if (sets[0].digest, sha256) in proven:  # branches share features
                        continue
                    proven.add((sets[0].digest, sha256))
                    then, now = (features.load([sha256]) for features in sets)
                    if then.shape != now.shape or then.tobytes() != now.tobytes():
                        raise OtherBytesError(
                            f"{clip} does not get the features that were frozen, in branch {name!r}, on this machine: "
                            f"they differ {in_words(arrays_apart(then, now))}"
                        )


def prove_probes(probes: Iterable[Probe], clips: Mapping[str, str]) -> None:
    """Raise OtherBytesError unless every scorer that was brought back scores its probe as it did when it was kept.

    clips : {audio digest: clip}.
    """
    for probe in probes:
        for reference in sorted({*probe.then, *probe.now}):
            then, now = (
                scores[reference].item() if reference in scores else None for scores in (probe.then, probe.now)
            )
            if then != now:
                clip = clips.get(probe.clip, probe.clip)
                raise OtherBytesError(
                    f"{probe.where}: {clip}, a frozen train normal, has the {reference} score {now!r} on this machine; "
                    f"it was {then!r} when its scorer was frozen"
                )


def prove_tables(frozen: Run, normals: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> None:
    """Raise OtherBytesError unless all of ``normals``, frozen train clips, get the values that were frozen."""
    for name in SCORED:
        key = list(TABLES[name].key)
        then, now = (
            frame.filter(pl.col("role") == "oof").join(normals, on="clip", how="semi").sort(key)
            for frame in (getattr(frozen, name), tables[name])
        )
        if not then.equals(now):
            raise OtherBytesError(
                f"The frozen train normals do not get the frozen {name} on this machine: they differ "
                f"{in_words(tables_apart(name, then, now))}"
            )


def proven_notes(kernels: Sequence[KernelChange], progress: Progress) -> list[str]:
    """Say, once it is proven, that the frozen bytes came out on other kernels than those of the freeze."""
    if not kernels:
        return []
    note = f"the frozen train normals get the frozen bytes on this machine, though {in_short(kernels)}."
    progress.note(note)
    return [note]
