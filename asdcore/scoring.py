"""One scorer at work on the train normals and test clips of one machine and section.

A branch's features are one feature set of the store, or made of several: concatenated, one less a part of another. All
scorers that need no more than the distances between features share one matrix of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.interfaces import REFERENCES
from asdcore.data.distances import distances
from asdcore.errors import DataError, PluginError
from asdcore.store.cache import FeatureSet

Scores = dict[str, NDArray[np.float64]]
Rows = NDArray[np.intp]
Without = tuple[Rows, ...] | None
"""For each fitted train normal the sorted rows that its out-of-fold score must not rest on, its own among them."""

Recipe = tuple[tuple[tuple[Path, float], ...], ...]
"""Folders of feature sets and their weights: what is added up, and what is set side by side."""

SHARED = 200_000_000
"""Bytes of a distance matrix up to which it is made; a scorer of larger banks is given features."""


def load_features(recipe: Recipe, clips: tuple[str, ...]) -> NDArray[np.float32]:
    """Return (n_clips, D), or (n_clips, time, band, dim) of frames, for clips named by their audio digests."""
    blocks = [_added(terms, clips) for terms in recipe]
    if len(blocks) == 1:
        return blocks[0]
    if len({block.shape[:-1] for block in blocks}) > 1:
        raise DataError(
            f"layers with features {', '.join(str(block.shape[1:]) for block in blocks)} cannot be set side by side. "
            'Pool them (pooling = "mean"), or choose layers with the same time and bands.'
        )
    return np.concatenate(blocks, axis=-1)


def _added(terms: tuple[tuple[Path, float], ...], clips: tuple[str, ...]) -> NDArray[np.float32]:
    """Add up weighted feature sets."""
    (first, weight), *more = terms
    total = FeatureSet(first).load(clips)
    if weight != 1:
        total = total * np.float32(weight)
    for folder, weight in more:
        total = total + np.float32(weight) * FeatureSet(folder).load(clips)
    return total


class Cell:
    """The features of one machine and section, and the distances that have been asked for.

    train, test : audio digests. domain : "source" or "target" of each train clip.
    """

    def __init__(
        self, features: Recipe, train: tuple[str, ...], domain: tuple[str, ...], test: tuple[str, ...]
    ) -> None:
        self.train = load_features(features, train)
        self.test = load_features(features, test) if test else self.train[:0]
        self.domain = np.array(domain, dtype=np.str_)
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


class Work:
    """One scorer, fitted on some or all train normals of a cell, by features or by distances."""

    def __init__(self, scorer: str, build: Callable[[], Any], cell: Cell) -> None:
        self._name, self._build, self._cell = scorer, build, cell

    @cached_property
    def _matrices(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        scorer = self._build()
        return self._cell.matrices(scorer.metric) if self._cell.shares(scorer) else None

    @property
    def metric(self) -> str | None:
        """The metric of the distances that the scorer is given; None where it is given features."""
        return None if self._matrices is None else str(self._build().metric)

    def fit(self, rows: Rows, without: Without = None) -> Any:
        """Fit a new scorer on some of the train normals; what it learns of one rests on none of those ``without``."""
        domain, scorer = self._cell.domain[rows], self._build()
        if self._matrices is None:
            return _told(scorer.fit, without, self._cell.train[rows], domain)
        within = self._matrices[0]
        everyone = len(rows) == len(within)
        return _told(scorer.fit_distances, without, within if everyone else within[np.ix_(rows, rows)], domain)

    def left_out(self, scorer: Any, without: Without = None) -> Scores:
        """Score the train normals a scorer was fitted on, each as if fitted without it, and without its ``without``."""
        return _checked(_told(scorer.score_left_out, without), len(self._cell.train), self._name)

    def held_out(self, scorer: Any, fitted: Rows, rows: Rows) -> Scores:
        """Score train normals by a scorer fitted on others."""
        if self._matrices is None:
            given = scorer.score(self._cell.train[rows])
        else:
            given = scorer.score_distances(self._matrices[0][np.ix_(rows, fitted)])
        return _checked(given, len(rows), self._name)

    def tested(self, scorer: Any, fitted: Rows) -> Scores:
        """Score the test clips by a scorer, each alone.

        A matrix product may round a row differently with the number of rows beside it: not here.
        """
        if self._matrices is None:
            given: NDArray[Any] = self._cell.test
            score = scorer.score
        else:
            within = self._matrices[1]
            given = within if len(fitted) == within.shape[1] else within[:, fitted]
            score = scorer.score_distances
        alone = [_checked(score(given[i : i + 1]), 1, self._name) for i in range(len(given))]
        references = set.intersection(*(set(scores) for scores in alone)) if alone else set()
        return {name: np.concatenate([scores[name] for scores in alone]) for name in sorted(references)}


def takes_without(method: Callable[..., Any]) -> bool:
    """Whether a method of a scorer can be told which train normals each one must not rest on."""
    return "without" in signature(method).parameters


def _told(method: Callable[..., Any], without: Without, *given: Any) -> Any:
    """Call a method, telling it what it must not rest on where there is something, and where it can be told."""
    if without is None or not takes_without(method):
        return method(*given)
    return method(*given, without=without)


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
