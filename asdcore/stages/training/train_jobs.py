"""Lists what there is to train: one job for each network, named by its recipe.

A network is trained on the train normals of all machines or of one, as its encoder's ``scope`` says; a crossfit adds
one for each fold, which does not see that fold. A job holds what its process needs: train clips, view, encoder, seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.components.checkpoints import pinned
from asdcore.compute.code_in_use import Code, Use, code_of
from asdcore.compute.recipes import (
    SOUND_MODULES,
    component_recipe,
    framework_digest,
    is_trainable,
    library_versions,
    scope_of,
    takes_device,
)
from asdcore.contract.plugins import Component, Plugins
from asdcore.contract.train_clips import About
from asdcore.errors import PortfolioError, located
from asdcore.held_out import crossfit_folds, places_of
from asdcore.portfolio import Branch, Named, Portfolio
from asdcore.store.cache import Store
from asdcore.store.digests.digest import recipe_digest
from asdcore.store.tables import CELL, FULL

HEARING = (*SOUND_MODULES, "compute/encoding/encoding.py", "compute/training/waveforms.py")
TRAINING_CODE = framework_digest(
    *HEARING,
    "contract/train_clips.py",
    "stages/training/train.py",
    "stages/training/train_jobs.py",
    "store/fitted_state.py",
)
"""The digest of the code that trains encoders, as this process has loaded it."""


@dataclass(frozen=True)
class TrainClip:
    """A train normal: its file, audio digest and length, and what its encoder may know of it."""

    path: Path
    sha256: str
    about: About
    channels: int
    sample_rate: int
    n_samples: int


@dataclass(frozen=True)
class TrainJob:
    """The training of one network.

    places : where its views stand in the portfolio. machine : "" for all. fold : that it does not see; FULL for none.
    networks : how many trainings are to do, and how many times the clips of this one they have. relay : the file that a
    worker writes its progress to.
    """

    places: tuple[str, ...]
    machine: str
    fold: int
    clips: tuple[TrainClip, ...]
    view: str
    view_parameters: str
    encoder: str
    encoder_parameters: str
    layers: tuple[int | str | None, ...]
    seed: int
    device: str | None
    store: Path
    path: Path
    waveforms: str
    networks: tuple[int, float] = (1, 1.0)
    relay: Path | None = None
    code: Code = ()

    @property
    def where(self) -> str:
        """What is trained, for messages."""
        fold = "" if self.fold == FULL else f", without fold {self.fold + 1}"
        return f"training {self.encoder!r} on {self.machine or 'all machines'}{fold}"

    @property
    def is_done(self) -> bool:
        """Whether the store has its trained state."""
        return self.path.exists()

    @property
    def uses(self) -> tuple[Use, ...]:
        """The components that compute it."""
        return (("view", self.view, self.view_parameters), ("encoder", self.encoder, self.encoder_parameters))

    def waveforms_at(self, sample_rate: int) -> Path:
        """Return the folder of the waveforms of train clips at a sample rate."""
        recipe = {**json.loads(self.waveforms), "sample_rate": sample_rate}
        return self.store / "waveforms" / recipe_digest(recipe)


def plan(
    clips: pl.DataFrame, root: Path, portfolio: Portfolio, store: Store, plugins: Plugins, device: str | None
) -> list[TrainJob]:
    """Return one job for each network of a portfolio, trained or not; none if it has no trainable encoder.

    Raises PortfolioError for a crossfit of an encoder that is not trained.
    """
    train = clips.filter(pl.col("split") == "train").sort(*CELL, "clip")
    jobs: dict[Path, TrainJob] = {}
    for name, branch in portfolio.branches.items():
        with located(f"branches.{name}"):
            if not trains(branch, plugins):
                continue
            if branch.encoder.crossfit and name in portfolio.mirrored:
                raise PortfolioError(
                    "its encoder has a crossfit, and a system that mirrors another needs the branch. Test clips of a "
                    "mirror are scored by folds, those of a crossfit are not: remove the mirror, or crossfit."
                )
            for job in _of_branch(name, branch, train, root, portfolio, store, plugins, device):
                same = jobs.get(job.path, replace(job, places=(), layers=()))
                layers = tuple(dict.fromkeys([*same.layers, *job.layers]))
                jobs[job.path] = replace(same, places=(*same.places, *job.places), layers=layers)
    return list(jobs.values())


def together(jobs: Sequence[TrainJob]) -> list[TrainJob]:
    """Return jobs that know how much there is to do in all, the longest first."""
    clips = sum(len(job.clips) for job in jobs)
    sized = [replace(job, networks=(len(jobs), clips / max(1, len(job.clips)))) for job in jobs]
    return sorted(sized, key=lambda job: -len(job.clips))


def trains(branch: Branch, plugins: Plugins) -> bool:
    """Whether the encoder of a branch is trained. Raises PortfolioError if it has a crossfit and is not."""
    encoder = plugins.component("encoder", branch.encoder.name)
    if not is_trainable(encoder) and branch.encoder.crossfit is not None:
        raise PortfolioError(
            f"encoder.crossfit is {branch.encoder.crossfit}, but encoder {encoder.name!r} learns nothing from train "
            "clips, so it has seen none. Remove crossfit."
        )
    return is_trainable(encoder)


def _of_branch(
    name: str,
    branch: Branch,
    train: pl.DataFrame,
    root: Path,
    portfolio: Portfolio,
    store: Store,
    plugins: Plugins,
    device: str | None,
) -> Iterator[TrainJob]:
    encoder = plugins.component("encoder", branch.encoder.name)
    scope = scope_of(encoder, branch.encoder.parameters)
    on = device if takes_device(encoder) else None
    machines = [""] if scope == "all" else [str(machine) for machine in train["machine"].unique(maintain_order=True)]
    seed = portfolio.seed_of(name)
    folds = _unseen(branch, train, portfolio, seed)
    for place, view in zip(places_of(name, branch), branch.views, strict=True):
        shared = _shared(branch, view, encoder, plugins, on)
        for machine in machines:
            of_machine = train.filter(pl.col("machine") == machine) if machine else train
            for fold, unseen in folds.items():
                seen = of_machine.filter(~pl.col("clip").is_in(list(unseen)))
                listed = tuple(_clip(row, root) for row in seen.iter_rows(named=True))
                yield _job((place,), machine, fold, listed, shared, seed, store)


def _unseen(branch: Branch, train: pl.DataFrame, portfolio: Portfolio, seed: int) -> dict[int, set[str]]:
    """Return {fold: the clips that its network does not see}; FULL sees all."""
    unseen: dict[int, set[str]] = {FULL: set()}
    for _, cell in train.group_by(CELL, maintain_order=True) if branch.encoder.crossfit else ():
        names = cell["clip"].to_list()
        folds = crossfit_folds(cell, portfolio.out_of_fold, branch.encoder.crossfit or 0, seed)
        for fold, (_, seen) in enumerate(folds):
            rows = set(seen.tolist())
            unseen.setdefault(fold, set()).update(name for row, name in enumerate(names) if row not in rows)
    return unseen


def _clip(row: Mapping[str, Any], root: Path) -> TrainClip:
    about = {key: row[key] or "" for key in ("machine", "section", "domain", "attributes")}
    length = {key: row[key] for key in ("channels", "sample_rate", "n_samples")}
    return TrainClip(root / row["clip"], row["sha256"], About(**about), **length)


def _shared(branch: Branch, view: Named, encoder: Component, plugins: Plugins, device: str | None) -> dict[str, Any]:
    """Return what all jobs of one view and encoder have in common: fields, and their recipe."""
    viewer, choice = plugins.component("view", view.name), branch.encoder
    view_parameters = json.dumps(pinned(view.parameters, viewer), sort_keys=True)
    encoder_parameters = json.dumps(pinned(choice.parameters, encoder), sort_keys=True)
    uses = [("view", view.name, view_parameters), ("encoder", choice.name, encoder_parameters)]
    of_view, libraries = component_recipe(viewer, view.parameters), library_versions()
    hearing = {"kind": "waveforms", "view": of_view, "framework": framework_digest(*HEARING), "libraries": libraries}
    recipe = {
        "kind": "trained encoder",
        "view": of_view,
        "encoder": component_recipe(encoder, choice.parameters),
        "framework": TRAINING_CODE,
        "libraries": libraries,
        "device": (device or "cpu").partition(":")[0],
    }
    fields = {
        "view": view.name,
        "view_parameters": view_parameters,
        "encoder": choice.name,
        "encoder_parameters": encoder_parameters,
        "layers": choice.layer if isinstance(choice.layer, tuple) else (choice.layer,),
        "device": device,
        "waveforms": json.dumps(hearing, sort_keys=True),
        "code": code_of(uses, TRAINING_CODE, plugins),
    }
    return {"fields": fields, "recipe": recipe}


def _job(
    places: tuple[str, ...],
    machine: str,
    fold: int,
    clips: tuple[TrainClip, ...],
    shared: Mapping[str, Any],
    seed: int,
    store: Store,
) -> TrainJob:
    of = [[clip.sha256, *vars(clip.about).values()] for clip in clips]
    path = store.trained_path({**shared["recipe"], "clips": of, "seed": seed})
    return TrainJob(places, machine, fold, clips, seed=seed, store=store.root, path=path, **shared["fields"])
