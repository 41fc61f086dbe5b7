"""Features -> score table: a scorer fitted on train normals, and every train normal scored out of fold.

One (machine, section, branch) is the unit of work. The scorer sees arrays and nothing else; train and test clips reach
it in the order of their audio digests, so neither names nor folders can tell it anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components import build, pinned
from asdcore.contract.interfaces import REFERENCES
from asdcore.contract.plugins import Plugins, installed
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.execution import single_threaded
from asdcore.portfolio import Branch
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.recipes import component_recipe, feature_recipe, framework_digest, library_versions
from asdcore.store.tables import CHUNK_SCORES, SCORES

Scores = dict[str, NDArray[np.float64]]
FULL = -1
"""The fold of a score from the scorer fitted on all train normals (leave-one-out included)."""


@dataclass(frozen=True)
class ScoreJob:
    """One (machine, section, branch): where its features are, and which clips are train normals of which domain."""

    where: str
    features: Path
    train: tuple[str, ...]
    domain: tuple[str, ...]
    test: tuple[str, ...]
    scorer: str
    parameters: str
    folds: int
    seed: int
    store: Path
    path: Path


def plan(
    clips: pl.DataFrame, name: str, branch: Branch, folds: int, seed: int, store: Store, plugins: Plugins
) -> list[ScoreJob]:
    """Return one job for each machine and section of a branch, cached or not."""
    component = plugins.component("scorer", branch.scorer.name)
    features = store.features(feature_recipe(branch, plugins)).folder
    recipe = {
        "kind": "scores",
        "features": features.name,
        "scorer": component_recipe(component, branch.scorer.parameters),
        "folds": folds,
        "seed": seed,
        "framework": framework_digest("stages/score.py"),
        "libraries": library_versions(),
    }
    jobs = []
    for (machine, section), cell in clips.group_by("machine", "section", maintain_order=True):
        train, test = _ordered(cell, "train"), _ordered(cell, "test")
        normals, domain, unknown = tuple(train["sha256"]), tuple(train["domain"]), tuple(test["sha256"])
        path = store.scores_path({**recipe, "train": list(zip(normals, domain, strict=True)), "test": list(unknown)})
        jobs.append(
            ScoreJob(
                f"branch {name!r}, {machine} section {section}",
                features,
                normals,
                domain,
                unknown,
                branch.scorer.name,
                json.dumps(pinned(branch.scorer.parameters), sort_keys=True),
                folds,
                seed,
                store.root,
                path,
            )
        )
    return jobs


def score(job: ScoreJob) -> Path:
    """Compute one chunk of scores and write it; returns where."""
    with located(job.where), single_threaded():
        features = FeatureSet(job.features)
        train = features.load(job.train)
        test = features.load(job.test) if job.test else train[:0]
        domain = np.array(job.domain, dtype=np.str_)
        with blamed("scorer", job.scorer):
            fitted = _fit(job, train, domain)
            if hasattr(fitted, "score_left_out"):
                left_out = [(FULL, np.arange(len(train)), _checked(fitted.score_left_out(), len(train), job.scorer))]
            else:
                left_out = _out_of_fold(job, train, domain)
            tested = _checked(fitted.score(test), len(test), job.scorer) if len(test) else {}
        Store(job.store).write_scores(job.path, _chunk(left_out, tested))
    return job.path


def assemble(clips: pl.DataFrame, name: str, jobs: list[ScoreJob], store: Store) -> pl.DataFrame:
    """Return a branch's score table: the chunks of its machines and sections, joined with the clip index."""
    parts = []
    cells = clips.group_by("machine", "section", maintain_order=True)
    for job, (_, cell) in zip(jobs, cells, strict=True):
        chunk = store.read_scores(job.path)
        for role, split in (("oof", "train"), ("test", "test")):
            ordered = _ordered(cell, split).with_row_index("row").cast({"row": pl.Int32})
            rows = chunk.filter(pl.col("role") == role).join(ordered, on="row", how="inner", validate="m:1")
            parts.append(rows.with_columns(branch=pl.lit(name)).select(list(SCORES.columns)))
    return pl.concat(parts)


def assign_folds(audio: tuple[str, ...], domain: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold (n_train,) of every train normal: by a hash of its audio, evenly within each domain."""
    order = sorted(range(len(audio)), key=lambda i: hashlib.sha256(f"{seed}|{audio[i]}".encode()).digest())
    fold = np.empty(len(audio), dtype=np.intp)
    for name in np.unique(domain):
        members = [i for i in order if domain[i] == name]
        fold[members] = np.arange(len(members)) % folds
    return fold


def _ordered(cell: pl.DataFrame, split: str) -> pl.DataFrame:
    return cell.filter(pl.col("split") == split).sort("sha256", "clip")


def _fit(job: ScoreJob, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Any:
    scorer = build("scorer", job.scorer, json.loads(job.parameters), installed())
    return scorer.fit(features, domain)


def _out_of_fold(
    job: ScoreJob, train: NDArray[np.float32], domain: NDArray[np.str_]
) -> list[tuple[int, NDArray[np.intp], Scores]]:
    """Score every train normal with a scorer that was fitted without its fold."""
    folds = min(job.folds, len(train))
    if folds < 2:
        raise DataError(f"{len(train)} train normal cannot be scored out of fold; at least 2 are needed")
    fold = assign_folds(job.train, domain, folds, job.seed)
    parts = []
    for k in np.unique(fold):
        held_out = np.flatnonzero(fold == k)
        scorer = _fit(job, train[fold != k], domain[fold != k])
        parts.append((int(k), held_out, _checked(scorer.score(train[held_out]), len(held_out), job.scorer)))
    return parts


def _checked(scores: Mapping[str, Any], n: int, scorer: str) -> Scores:
    """Hold a scorer to its contract."""
    checked = {}
    for reference, values in scores.items():
        if reference not in REFERENCES:
            raise PluginError(f"scorer {scorer!r} gave a reference {reference!r}; {', '.join(REFERENCES)} are allowed.")
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (n,):
            raise PluginError(f"scorer {scorer!r} gave scores {array.shape} for {n} clips; ({n},) is the contract.")
        if not np.isfinite(array).all():
            raise DataError(f"scorer {scorer!r} gave {int((~np.isfinite(array)).sum())} scores that are not finite")
        checked[reference] = array
    if not checked:
        raise PluginError(f"scorer {scorer!r} gave no scores; it must give at least one reference.")
    return checked


def _chunk(left_out: list[tuple[int, NDArray[np.intp], Scores]], tested: Scores) -> pl.DataFrame:
    """Lay scores out as rows, for the references that every part has."""
    shared = set.intersection(*(set(scores) for _, _, scores in left_out), set(tested) or set(REFERENCES))
    if not shared:
        raise DataError("no reference has scores of every fold: there are too few train normals")
    parts = []
    for reference in sorted(shared):
        for fold, rows, scores in left_out:
            parts.append(_rows("oof", rows, reference, fold, scores[reference]))
        if tested:
            parts.append(_rows("test", np.arange(len(tested[reference])), reference, FULL, tested[reference]))
    return pl.concat(parts)


def _rows(role: str, rows: NDArray[np.intp], reference: str, fold: int, scores: NDArray[np.float64]) -> pl.DataFrame:
    columns = {"role": role, "row": rows.astype(np.int32), "reference": reference, "fold": fold, "score": scores}
    return pl.DataFrame(columns, schema_overrides=CHUNK_SCORES.columns).select(list(CHUNK_SCORES.columns))
