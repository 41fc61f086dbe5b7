"""Lists what there is to score: one job for each machine, section and branch, named by its recipe.

A job holds everything that its process needs: features, train normals, test clips, the scorer and its parameters, and
the paths of what it will write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components.build import build
from asdcore.components.checkpoints import pinned
from asdcore.components.seeds import seeded
from asdcore.compute.code_in_use import Code, Use, code_of
from asdcore.compute.recipes import component_recipe, feature_recipe, framework_digest, library_versions
from asdcore.compute.scoring.clip_order import clips_of_cells
from asdcore.compute.scoring.fitted import FITTED_CODE, Model
from asdcore.compute.scoring.scoring import Recipe
from asdcore.contract.plugins import Plugins
from asdcore.held_out import NONE, HeldOut, Kept, Networks, always_leaves_out, kept, places
from asdcore.portfolio import Branch, Portfolio
from asdcore.store.cache import Store
from asdcore.store.tables import FULL

HELD_OUT = tuple(f"held_out/{name}.py" for name in ("dependence", "recording_order", "plan"))


@dataclass(frozen=True)
class Unseen:
    """One fold of a crossfit: the features by its network, the rows it has not seen, and those it has."""

    features: Recipe
    rows: tuple[int, ...]
    seen: tuple[int, ...]


@dataclass(frozen=True)
class ScoreJob:
    """The work on one (machine, section, branch): its features, train normals with their domains, and test clips.

    crossfit : the folds by which train normals are scored, if their networks have not seen them.
    """

    where: str
    features: Recipe
    train: tuple[str, ...]
    domain: tuple[str, ...]
    test: tuple[str, ...]
    kept: Kept
    scorer: str
    parameters: str
    folds: int
    seed: int
    mirrored: bool
    store: Path
    path: Path
    fitted: str
    code: Code = ()
    crossfit: tuple[Unseen, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the store has its scores, and the state of every scorer that test clips are scored by."""
        return self.path.exists() and all(model.path.exists() for model in self.models().values())

    def models(self, held: HeldOut | None = None) -> dict[int, Model]:
        """Return {fold: the scorer that test clips are scored by}: FULL, and for a mirror one for each fold.

        Of a crossfit those of the folds are not kept: only a choice by known faults asks for them.

        held : what every train normal is scored without, if it is at hand.
        """
        models = {FULL: self.model(range(len(self.train)))}
        if self.mirrored and not self.crossfit:
            folds = (held or self.kept.held_out()).folds(self.train, self.folds, self.seed)
            models |= {k: self.model(rest.tolist()) for k, (_, rest) in enumerate(folds)}
        return models

    def model(self, rows: Iterable[int]) -> Model:
        """Return the scorer that is fitted on some of the train normals."""
        fitted = tuple(rows)
        of = {"train": [(self.train[row], self.domain[row]) for row in fitted]}
        return Model(fitted, Store(self.store).fitted_path({**json.loads(self.fitted), **of}))

    @property
    def uses(self) -> tuple[Use, ...]:
        """The component that computes it."""
        return (("scorer", self.scorer, self.parameters),)


SCORING_CODE = framework_digest(
    "basics/rounding.py",
    "compute/scoring/aligned_networks.py",
    "compute/component_checks/checked_outputs.py",
    "compute/scoring/fitted.py",
    "compute/scoring/scoring.py",
    "stages/scoring/score.py",
    "stages/scoring/score_jobs.py",
    "data/features/distances.py",
    "store/fitted_state.py",
    *HELD_OUT,
)
"""The digest of the code that computes scores, as this process has loaded it."""


def plan(
    clips: pl.DataFrame,
    name: str,
    portfolio: Portfolio,
    store: Store,
    plugins: Plugins,
    device: str | None,
    networks: Networks = NONE,
) -> list[ScoreJob]:
    """Return one job for each machine and section of a branch, cached or not."""
    branch = portfolio.branches[name]
    job, scores, learnt = _shared(name, portfolio, store, plugins)
    own = networks.has(name)
    recipes: dict[str, Recipe] = {}
    jobs = []
    for (machine, section), train, test in clips_of_cells(clips):
        normals, domain, unknown = (
            tuple(column.to_list()) for column in (train["sha256"], train["domain"], test["sha256"])
        )
        lying = places(train, portfolio.out_of_fold)
        hearing = networks.branch(name, branch, machine)
        key = machine if own else ""
        if key not in recipes:
            recipes[key] = features_recipe(hearing, store, plugins, device)
        features = recipes[key]
        folds = tuple(
            Unseen(features_recipe(fold.branch, store, plugins, device), _rows(fold.unseen), _rows(fold.seen))
            for fold in networks.crossfit(name, branch, train)
        )
        of = {"train": list(zip(normals, domain, strict=True)), "test": list(unknown), "places": lying.recipe}
        path = store.scores_path({**scores, **of, **_features(features, folds)})
        fitted = json.dumps({**learnt, **_features(features)}, sort_keys=True)
        ranges, where = kept(features, normals, lying, store), f"branch {name!r}, {machine} section {section}"
        cell_job = partial(job, where, features=features, train=normals, domain=domain, test=unknown, kept=ranges)
        jobs.append(cell_job(path=path, fitted=fitted, crossfit=folds))
    return jobs


def _shared(
    name: str, portfolio: Portfolio, store: Store, plugins: Plugins
) -> tuple[Callable[..., ScoreJob], dict[str, Any], dict[str, Any]]:
    """Return what all jobs of a branch have in common: fields, the recipe of scores, and of what a scorer learns."""
    choice, mirrored, seed = portfolio.branches[name].scorer, name in portfolio.mirrored, portfolio.seed_of(name)
    scorer = plugins.component("scorer", choice.name)
    given = seeded(scorer, choice.parameters, seed)
    shared = {"scorer": component_recipe(scorer, given), "libraries": library_versions()}
    folds: dict[str, Any] = {"folds": portfolio.folds, "seed": seed}
    # Folds are dealt by the seed. Without them a score does not depend on it, and is the same for every seed.
    in_folds = mirrored or not always_leaves_out(build("scorer", scorer.name, given, plugins))
    ways = {"mirrored": mirrored, **(folds if in_folds else {})}
    scores = {"kind": "scores", "framework": SCORING_CODE, **shared, **ways}
    learnt = {"kind": "fitted", "framework": FITTED_CODE, **shared}
    parameters = json.dumps(pinned(given, scorer), sort_keys=True)
    code = code_of([("scorer", scorer.name, parameters)], SCORING_CODE, plugins)
    fields: dict[str, Any] = {"scorer": choice.name, "parameters": parameters, "store": store.root, "code": code}
    return partial(ScoreJob, mirrored=mirrored, **folds, **fields), scores, learnt


def _features(features: Recipe, crossfit: Sequence[Unseen] = ()) -> dict[str, Any]:
    """Return what the recipe of scores says of their features."""
    folds = [[_named(fold.features), fold.rows, fold.seen] for fold in crossfit]
    return {"features": _named(features), **({"crossfit": folds} if folds else {})}


def _rows(rows: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(rows.tolist())


def _named(features: Recipe) -> list[list[list[object]]]:
    """Return feature sets as a recipe names them."""
    return [[[folder.name, weight] for folder, weight in terms] for terms in features]


def features_recipe(
    branch: Branch, store: Store, plugins: Plugins, device: str | None, libraries: Mapping[str, str] | None = None
) -> Recipe:
    """Return the feature sets of a branch, and how they are combined.

    libraries : as of :func:`~asdcore.compute.recipes.feature_recipe`.
    """
    return tuple(
        tuple(
            (store.features(feature_recipe(part, plugins, device, libraries)).folder, weight) for part, weight in terms
        )
        for terms in branch.features
    )


def together(jobs: Iterable[ScoreJob]) -> list[tuple[ScoreJob, ...]]:
    """Group jobs that score the same clips by the same features, for :func:`score_together`."""
    groups: dict[tuple[object, ...], list[ScoreJob]] = {}
    for job in jobs:
        key = (job.features, job.train, job.domain, job.test, job.kept, job.crossfit)
        groups.setdefault(key, []).append(job)
    return [tuple(group) for group in groups.values()]
