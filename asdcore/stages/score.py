"""Features -> score table: a scorer fitted on train normals, and every train normal scored out of fold.

One (machine, section, branch) is the unit of work, kept and resumed by itself. Branches that score the same clips by
the same features are computed together: features are loaded once, and all scorers that need no more than distances
share one matrix. Whatever runs together, a branch's scores are the same to the last bit. The scorer sees arrays and
nothing else; train and test clips reach it in the order of their audio digests, so neither names nor folders can tell
it anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components import build, pinned
from asdcore.contract.interfaces import REFERENCES
from asdcore.contract.plugins import Plugins, installed
from asdcore.data.distances import distances
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.execution import single_threaded
from asdcore.portfolio import Branch
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.recipes import component_recipe, feature_recipe, framework_digest, library_versions
from asdcore.store.tables import CHUNK_SCORES, SCORES

Scores = dict[str, NDArray[np.float64]]
FULL = -1
"""The fold of a score from the scorer fitted on all train normals (leave-one-out included)."""

SHARED = 200_000_000
"""Bytes of a distance matrix up to which it is made; a scorer of larger banks is given features."""


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
        "framework": framework_digest("stages/score.py", "data/distances.py"),
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


def together(jobs: Iterable[ScoreJob]) -> list[tuple[ScoreJob, ...]]:
    """Group jobs that score the same clips by the same features, for :func:`score_together`."""
    groups: dict[tuple[object, ...], list[ScoreJob]] = {}
    for job in jobs:
        groups.setdefault((job.features, job.train, job.domain, job.test), []).append(job)
    return [tuple(group) for group in groups.values()]


def score_together(jobs: tuple[ScoreJob, ...]) -> int:
    """Compute chunks of scores from the same features, each written when it is done; returns how many."""
    with single_threaded():
        with located(jobs[0].where):
            cell = _Cell(jobs[0])
        for job in jobs:
            with located(job.where):
                _score(job, cell)
    return len(jobs)


def score(job: ScoreJob) -> Path:
    """Compute one chunk of scores and write it; returns where."""
    score_together((job,))
    return job.path


class _Cell:
    """The features of one machine and section, and the distances that have been asked for."""

    def __init__(self, job: ScoreJob) -> None:
        features = FeatureSet(job.features)
        self.train = features.load(job.train)
        self.test = features.load(job.test) if job.test else self.train[:0]
        self.domain = np.array(job.domain, dtype=np.str_)
        self._matrices: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def shares(self, scorer: object) -> bool:
        """Whether a scorer takes distances, and there are not too many."""
        n = len(self.train)
        wants = all(hasattr(scorer, name) for name in ("metric", "fit_distances", "score_distances"))
        return wants and 8 * n * max(n, len(self.test)) <= SHARED

    def matrices(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distances (n_train, n_train) and (n_test, n_train), which nobody may write to."""
        if metric not in self._matrices:
            found = distances(self.train, self.train, metric), distances(self.test, self.train, metric)
            for matrix in found:
                matrix.flags.writeable = False
            self._matrices[metric] = found
        return self._matrices[metric]


class _Work:
    """One scorer at work on the clips of one cell, by features or by distances."""

    def __init__(self, job: ScoreJob, cell: _Cell) -> None:
        self._job, self._cell = job, cell

    @cached_property
    def _matrices(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        scorer = self._build()
        return self._cell.matrices(scorer.metric) if self._cell.shares(scorer) else None

    def _build(self) -> Any:
        return build("scorer", self._job.scorer, json.loads(self._job.parameters), installed())

    def fit(self, rows: NDArray[np.intp]) -> Any:
        """Fit a new scorer on some of the train normals."""
        domain = self._cell.domain[rows]
        if self._matrices is None:
            return self._build().fit(self._cell.train[rows], domain)
        within = self._matrices[0]
        everyone = len(rows) == len(within)
        return self._build().fit_distances(within if everyone else within[np.ix_(rows, rows)], domain)

    def held_out(self, scorer: Any, fitted: NDArray[np.intp], rows: NDArray[np.intp]) -> Scores:
        """Score train normals by a scorer fitted on others."""
        if self._matrices is None:
            given = scorer.score(self._cell.train[rows])
        else:
            given = scorer.score_distances(self._matrices[0][np.ix_(rows, fitted)])
        return _checked(given, len(rows), self._job.scorer)

    def tested(self, scorer: Any) -> Scores:
        """Score the test clips by the scorer of all train normals, each alone.

        A matrix product may round a row differently with the number of rows beside it: not here.
        """
        given: NDArray[Any] = self._cell.test if self._matrices is None else self._matrices[1]
        score = scorer.score if self._matrices is None else scorer.score_distances
        alone = [_checked(score(given[i : i + 1]), 1, self._job.scorer) for i in range(len(given))]
        references = set.intersection(*(set(scores) for scores in alone)) if alone else set()
        return {name: np.concatenate([scores[name] for scores in alone]) for name in sorted(references)}


def _score(job: ScoreJob, cell: _Cell) -> None:
    everyone = np.arange(len(cell.train))
    work = _Work(job, cell)
    with blamed("scorer", job.scorer):
        fitted = work.fit(everyone)
        if hasattr(fitted, "score_left_out"):
            left_out = [(FULL, everyone, _checked(fitted.score_left_out(), len(everyone), job.scorer))]
        else:
            left_out = _out_of_fold(job, work, cell.domain)
        tested = work.tested(fitted)
    Store(job.store).write_scores(job.path, _chunk(left_out, tested))


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


def _out_of_fold(job: ScoreJob, work: _Work, domain: NDArray[np.str_]) -> list[tuple[int, NDArray[np.intp], Scores]]:
    """Score every train normal with a scorer that was fitted without its fold."""
    folds = min(job.folds, len(domain))
    if folds < 2:
        raise DataError(f"{len(domain)} train normal cannot be scored out of fold; at least 2 are needed")
    fold = assign_folds(job.train, domain, folds, job.seed)
    parts = []
    for k in np.unique(fold):
        held_out, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        parts.append((int(k), held_out, work.held_out(work.fit(rest), rest, held_out)))
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
