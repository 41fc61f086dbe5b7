"""Runs one scorer on the train normals and test clips of one machine and section.

A branch's features are one feature set of the store or several: concatenated, or one less a part of another. All
scorers that need only the distances between features share one matrix of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.component_checks.checked_outputs import finite, one_value_each
from asdcore.contract.references import REFERENCES
from asdcore.data.features.distances import DISTANCE_BYTES, distances
from asdcore.errors import DataError, PluginError
from asdcore.store.cache import FeatureSet

Scores = dict[str, NDArray[np.float64]]
Rows = NDArray[np.intp]
Without = tuple[Rows, ...] | None
"""For each fitted train normal the sorted rows that its out-of-fold score must not use, its own among them."""

Recipe = tuple[tuple[tuple[Path, float], ...], ...]
"""Folders of feature sets and their weights: the inner sets are added up, the outer ones set side by side."""

TRAIN_FIRST = 6
"""Train normals that a scorer scores before its first test clip."""


def load_features(recipe: Recipe, clips: tuple[str, ...]) -> NDArray[np.float32]:
    """Return (n_clips, D), or (n_clips, time, band, dim) of frames, for clips named by their audio digests."""
    return combined(recipe, lambda folder: FeatureSet(folder).load(clips))


def combined(recipe: Recipe, load: Callable[[Path], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Combine feature sets as a recipe says; ``load`` returns the features (n_clips, ...) of the set of a folder."""
    blocks = [_added(terms, load) for terms in recipe]
    if len(blocks) == 1:
        return blocks[0]
    if len({block.shape[:-1] for block in blocks}) > 1:
        raise DataError(
            f"layers with features {', '.join(str(block.shape[1:]) for block in blocks)} cannot be set side by side. "
            'Pool them (pooling = "mean"), or choose layers with the same time and bands.'
        )
    return np.concatenate(blocks, axis=-1)


def _added(terms: tuple[tuple[Path, float], ...], load: Callable[[Path], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Add up weighted feature sets."""
    (first, weight), *more = terms
    total = load(first)
    if weight != 1:
        total = total * np.float32(weight)
    for folder, weight in more:
        total = total + np.float32(weight) * load(folder)
    return total


class Cell:
    """The features of one machine and section, and the distances that scorers have asked for.

    Parameters
    ----------
    features : Recipe
        The feature sets.
    train, test : tuple of str
        Audio digests.
    domain : tuple of str
        "source" or "target" of each train clip.

    """

    def __init__(
        self, features: Recipe, train: tuple[str, ...], domain: tuple[str, ...], test: tuple[str, ...]
    ) -> None:
        self._features, self.normals, self.digests = features, train, test
        self.domain = np.array(domain, dtype=np.str_)
        self._within: dict[str, NDArray[np.float64]] = {}
        self._blocks: dict[str, tuple[int, NDArray[np.float64]]] = {}

    @cached_property
    def train(self) -> NDArray[np.float32]:
        """The features (n_train, ...) of the train normals, loaded when they are first asked for."""
        return load_features(self._features, self.normals)

    @cached_property
    def test(self) -> NDArray[np.float32]:
        """The features (n_test, ...) of the test clips."""
        return load_features(self._features, self.digests) if self.digests else self.train[:0]

    def normal(self, row: int) -> NDArray[np.float32]:
        """Return a copy of the features (1, ...) of one train normal; the others need not be loaded."""
        if "train" in vars(self):
            return self.train[row : row + 1].copy()
        return load_features(self._features, self.normals[row : row + 1])

    def shares(self, scorer: object) -> bool:
        """Whether a scorer takes distances, and the matrix of train normals is small enough.

        The number of test clips does not count: a clip's score must not depend on it, not even in the last bit.
        """
        return takes_distances(scorer) and 8 * len(self.normals) ** 2 <= DISTANCE_BYTES

    def within(self, metric: str) -> NDArray[np.float64]:
        """Return the distances (n_train, n_train), read-only."""
        if metric not in self._within:
            self._within[metric] = _read_only(distances(self.train, self.train, metric))
        return self._within[metric]

    def from_normal(self, metric: str, row: int) -> NDArray[np.float64]:
        """Return the distances (1, n_train) of one train normal, as a copy."""
        if metric in self._within:
            return self._within[metric][row : row + 1].copy()
        return distances(self.train[row : row + 1], self.train, metric)

    def to_train(self, metric: str, i: int) -> NDArray[np.float64]:
        """Return the distances (1, n_train) of a test clip, as a copy that gives no access to other clips."""
        size = max(1, DISTANCE_BYTES // (8 * max(1, len(self.normals))))
        start, block = self._blocks.get(metric, (-1, np.empty((0, 0))))
        if i // size * size != start:
            start = i // size * size
            block = _read_only(distances(self.test[start : start + size], self.train, metric))
            self._blocks[metric] = start, block
        return block[i - start : i - start + 1].copy()


class Work:
    """Fits one scorer on some or all train normals of a cell, by features or by distances, and scores with it.

    Parameters
    ----------
    scorer : str
        Its name, for messages.
    build : function
        Builds it from its parameters.
    cell : Cell
        The features of train normals and test clips.
    check_code : function, optional
        Raises PluginError if the scorer's code has changed since this process loaded it.

    """

    def __init__(
        self, scorer: str, build: Callable[[], Any], cell: Cell, check_code: Callable[[], None] = lambda: None
    ) -> None:
        self.name, self.build, self._cell, self.check_code = scorer, build, cell, check_code

    @cached_property
    def metric(self) -> str | None:
        """The metric of the distances that the scorer works with, None if it works with features."""
        scorer = self.build()
        return str(scorer.metric) if self._cell.shares(scorer) else None

    def fit(self, rows: Rows) -> Any:
        """Fit a new scorer on some of the train normals.

        The scorer learns nothing about neighbours here. Its inner quantities (a density, a slope) are computed in the
        same way for a new clip and, refitted, for a train normal left out. Leaving neighbours out of these as well
        would thin the bank of a left-out clip twice, and that of a new clip once.
        """
        domain, scorer = self._cell.domain[rows], self.build()
        if self.metric is None:
            return scorer.fit(self._cell.train[rows], domain)
        within = self._cell.within(self.metric)
        everyone = len(rows) == len(within)
        return scorer.fit_distances(within if everyone else within[np.ix_(rows, rows)], domain)

    def left_out(self, scorer: Any, without: Without = None) -> Scores:
        """Score the train normals a scorer was fitted on, each as if fitted without it, and without its ``without``."""
        given = scorer.score_left_out() if without is None else scorer.score_left_out(without=without)
        return _checked(given, len(self._cell.train), self.name)

    def clip(self, scorer: Any, fitted: Rows) -> Scores:
        """Score the first test clip."""
        return self._alone(scorer, fitted, 0)

    def held_out(self, scorer: Any, fitted: Rows, rows: Rows) -> Scores:
        """Score train normals by a scorer fitted on others."""
        if self.metric is None:
            given = scorer.score(self._cell.train[rows])
        else:
            given = scorer.score_distances(self._cell.within(self.metric)[np.ix_(rows, fitted)])
        return _checked(given, len(rows), self.name)

    def normal(self, scorer: Any, fitted: Rows, row: int) -> Scores:
        """Score one train normal by a scorer, alone, as if it were a test clip."""
        if self.metric is None:
            return score_alone(scorer, self._cell.normal(row), self.name)
        return score_by_distances(scorer, self._cell.from_normal(self.metric, row), fitted, self.name)

    def features_of(self, row: int) -> NDArray[np.float32] | None:
        """Return the features (1, ...) of one train normal; None for a scorer that works with distances."""
        return self._cell.normal(row) if self.metric is None else None

    def tested(self, scorer: Any, fitted: Rows, first: Rows) -> Scores:
        """Score the test clips by a scorer, each alone: a copy of one clip at a time.

        Scoring one clip at a time keeps a matrix product from rounding a row differently with the number of rows. Some
        train normals go ``first``, so that a scorer cannot learn from test clips as the first ones it scores. Then all
        clips are scored again, the last one first. Raises PluginError unless a clip's scores are the same to the bit.
        """
        clips = range(len(self._cell.digests))
        if not clips:
            return {}
        for row in first:
            self.normal(scorer, fitted, int(row))
        alone = [self._alone(scorer, fitted, i) for i in clips]
        for i in reversed(clips):
            self._check_same(i, alone[i], self._alone(scorer, fitted, i))
        references = set.intersection(*(set(scores) for scores in alone))
        return {name: np.concatenate([scores[name] for scores in alone]) for name in sorted(references)}

    def _alone(self, scorer: Any, fitted: Rows, i: int) -> Scores:
        """Score a copy of one test clip."""
        if self.metric is None:
            return score_alone(scorer, self._cell.test[i : i + 1].copy(), self.name)
        return score_by_distances(scorer, self._cell.to_train(self.metric, i), fitted, self.name)

    def _check_same(self, i: int, first: Scores, again: Scores) -> None:
        for reference in sorted(set(first) | set(again)):
            before, after = (scores[reference].item() if reference in scores else None for scores in (first, again))
            if before != after:
                raise PluginError(
                    f"scorer {self.name!r} gives sha256:{self._cell.digests[i]} the {reference} score {before!r}, and "
                    f"{after!r} after other test clips were scored. It keeps something of the clips that it scores, or "
                    "draws random numbers without a seed: learn from the train normals in fit, and from nothing else. "
                    f"'asdcore check-plugin {self.name}' may show more."
                )


def _read_only(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same numbers as an array that stays read-only, whatever flags are set."""
    return np.asarray(matrix.data.toreadonly())


def score_alone(scorer: Any, features: NDArray[np.float32], name: str) -> Scores:
    """Score one clip by its features (1, ...), with a fitted scorer."""
    return _checked(scorer.score(features), 1, name)


def score_by_distances(scorer: Any, to_bank: NDArray[np.float64], fitted: Rows, name: str) -> Scores:
    """Score one clip by its distances (1, n_train) to all train normals, with a scorer fitted on some rows of them."""
    own = to_bank if len(fitted) == to_bank.shape[1] else to_bank[:, fitted]
    return _checked(scorer.score_distances(own), 1, name)


def takes_distances(scorer: object) -> bool:
    """Whether a scorer can be fitted on distances, and score by them."""
    return all(hasattr(scorer, name) for name in ("metric", "fit_distances", "score_distances"))


def takes_without(method: Callable[..., Any]) -> bool:
    """Whether a method of a scorer accepts ``without``: the rows that each train normal's score must not use."""
    with suppress(TypeError, ValueError):  # a builtin may have no signature
        return "without" in signature(method).parameters
    return False


def _checked(scores: Mapping[str, Any], n: int, scorer: str) -> Scores:
    """Check references, shapes and finiteness of a scorer's output."""
    checked = {}
    for reference, values in scores.items():
        if reference not in REFERENCES:
            raise PluginError(f"scorer {scorer!r} gave a reference {reference!r}; {', '.join(REFERENCES)} are allowed.")
        who = f"scorer {scorer!r}"
        checked[reference] = finite(one_value_each(values, n, who, "scores"), who, "scores")
    if not checked:
        raise PluginError(f"scorer {scorer!r} gave no scores; it must give at least one reference.")
    return checked
