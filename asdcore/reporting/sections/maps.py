"""Compute maps of features: each clip is a point, near to clips that sound alike to an encoder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.recipes import feature_recipe, features_digest
from asdcore.compute.scoring.scoring import Recipe, load_features
from asdcore.contract.plugins import installed
from asdcore.errors import AsdcoreError, StoreError
from asdcore.held_out import Networks
from asdcore.portfolio import Branch
from asdcore.reporting.machines.machines import ORDER, Cell, brief, group_of
from asdcore.reporting.reported_runs import Subject
from asdcore.store.cache import Store

MOST_TRAIN = 200
"""The most train normals in a map: those of the target domain first, then others by their audio digest."""

Floats = NDArray[np.float64]


def check_umap() -> None:
    """Raise AsdcoreError if UMAP is asked for and not installed."""
    if find_spec("umap") is None:
        raise AsdcoreError("--umap needs umap-learn: run \"pip install 'asdcore[umap]'\", or leave --umap out.")


def feature_recipes(subject: Subject) -> dict[str, Recipe]:
    """Return {description: folders in the store} of a run's features, once for branches that share them.

    Raises an AsdcoreError if code or libraries have changed since the run, so that its features have other names.
    """
    plugins, device = installed(), subject.run.about.get("device")
    store = Store(Path(subject.run.about["store"]))
    networks = Networks.recorded(subject.run.about, store.root)
    branches: dict[Recipe, list[str]] = {}
    for name, branch in subject.plan.branches.items():
        if features_digest(networks.variants(name, branch), plugins, device) != subject.run.about["features"][name]:
            raise StoreError(
                f"the code or a library that computes the features of branch {name!r} has changed since. "
                "Run the portfolio again to see it."
            )
        terms = (
            [(store.features(feature_recipe(part, plugins, device)).folder, weight) for part, weight in parts]
            for parts in branch.features
        )
        branches.setdefault(tuple(map(tuple, terms)), []).append(name)
    return {_called(subject.plan.branches[names[0]], names): recipe for recipe, names in branches.items()}


def map_parts(subject: Subject, features: Recipe, umap: bool) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Yield (machine, section) and its map: columns x, y (and u, v by UMAP) of the clips of :func:`chosen`.

    ``explained`` is the share of the train normals' variance that the two axes hold. Raises StoreError if the store
    no longer has the features.
    """
    for (machine, section), clips in subject.clips.group_by("machine", "section", maintain_order=True):
        shown = chosen(clips)
        vectors = _flat(load_features(features, tuple(shown["sha256"])))
        points, explained = principal_axes(vectors, vectors[(shown["split"] == "train").to_numpy()])
        columns = dict(zip("xy", points.T, strict=True))
        if umap:
            columns |= dict(zip("uv", _umap(vectors).T, strict=True))
        rounded: dict[str, Any] = {key: list(map(brief, column.tolist())) for key, column in columns.items()}
        yield (str(machine), str(section)), rounded | {"explained": round(explained, 3)}


def clip_parts(subject: Subject) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Yield (machine, section) and the facts about the clips of :func:`chosen`, shared by all maps and systems.

    Columns: the clip's name without its folder, group, domain and attributes.
    """
    for (machine, section), clips in subject.clips.group_by("machine", "section", maintain_order=True):
        shown = chosen(clips)
        roles = shown.select("split", "label").rows()
        yield (
            (str(machine), str(section)),
            {
                "clip": [clip.rpartition("/")[2] for clip in shown["clip"]],
                "group": [group_of("oof" if split == "train" else "test", label) for split, label in roles],
                "domain": shown["domain"].fill_null("unknown").to_list(),
                "attributes": shown["attributes"].fill_null("").to_list(),
            },
        )


def chosen(clips: pl.DataFrame) -> pl.DataFrame:
    """Return the clips of a cell that its map shows, the same ones on every day: train normals, then all test clips."""
    train, test = (clips.filter(split=split).sort(ORDER) for split in ("train", "test"))
    few = train.filter(pl.col("domain") == "target").head(MOST_TRAIN)
    rest = train.join(few, on="clip", how="anti").head(MOST_TRAIN - len(few))
    return pl.concat([rest, few, test])


def principal_axes(vectors: Floats, train: Floats) -> tuple[Floats, float]:
    """(n, D), (m, D) -> coordinates (n, 2) on the first two principal axes of ``train``, and the share they explain.

    The sign of an axis is free; it is set so that the axis' largest weight is positive.
    """
    mean = train.mean(axis=0)
    _, values, axes = np.linalg.svd(train - mean, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    points = (vectors - mean) @ axes.T
    total = float(np.sum(values**2))
    share = float(np.sum(values[:2] ** 2)) / total if total else 0.0
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1]))), share


def _umap(vectors: Floats) -> Floats:
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_jobs value")  # a seed means one thread, as is wanted
        points: Floats = np.asarray(UMAP(n_components=2, random_state=0).fit_transform(vectors), dtype=np.float64)
    return points


def _flat(features: NDArray[np.float32]) -> Floats:
    """Return features as (n, D): frames are averaged over time."""
    pooled = features.mean(axis=1) if features.ndim > 3 else features
    return pooled.reshape(len(pooled), -1).astype(np.float64)


def _called(branch: Branch, names: list[str]) -> str:
    views = " less ".join(view.name for view in branch.views)
    layer = "" if branch.encoder.layer is None else f" layer {branch.encoder.layer}"
    return f"{views}, {branch.encoder.name}{layer}, {branch.encoder.pooling.name} ({', '.join(names)})"
