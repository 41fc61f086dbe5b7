"""The ways in which a component can be fitted and asked: on what its kind is given, and a scorer on distances too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Bench, Rows, join, take
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.authoring.conformance.shared_distances import PARTS, distances_of

SINGLES = (0, 1, 3, 42)
"""Clips that are also asked about one at a time: ordinary ones, a target one, an extreme one."""


class Way:
    """A component on what its kind is given."""

    name = "given"
    prefix = ""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.method = bench.call_name

    def train(self, seed: int = 0) -> Rows:
        """Make train normals, with their domain."""
        return self.bench.train(seed)

    def inputs(self, train: Rows) -> Any:
        """Train normals -> what :meth:`fit` takes: copies."""
        return self.bench.inputs(train)

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit a component; returns what ``fit`` returned."""
        return self.bench.fit(component, inputs)

    def rows(self, seed: int = 0) -> Rows:
        """Make ordinary and extreme clips, to be asked about after a fit to the train normals of this seed."""
        return join(self.bench.rows(40, seed=7), self.bench.far(4, seed=7))

    def call(self, fitted: Any, rows: Rows) -> Rows:
        """Clips -> what the component says of them."""
        return self.bench.call(fitted, self.bench.inputs(rows))


class ByDistances(Way):
    """A scorer on distances to the train normals."""

    name = "distances"
    prefix = "Fitted on distances: "

    def __init__(self, bench: ScorerBench, metric: str) -> None:
        super().__init__(bench)
        self.method, self._metric = "score_distances", metric

    def train(self, seed: int = 0) -> Rows:
        """Measure the distances of train normals to one another."""
        train = self.bench.train(seed)
        return {"distances": self._distances(train, train), "domain": train["domain"]}

    def inputs(self, train: Rows) -> Any:
        """Distances and domain -> copies."""
        return {name: array.copy() for name, array in train.items()}

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit a scorer; returns what ``fit_distances`` returned."""
        return component.fit_distances(inputs["distances"], inputs["domain"])

    def rows(self, seed: int = 0) -> Rows:
        """Measure the distances of clips to the train normals of a seed."""
        return {"distances": self._distances(super().rows(), self.bench.train(seed))}

    def call(self, fitted: Any, rows: Rows) -> Rows:
        """Distances -> {reference: score (n_clips,)}."""
        return {name: np.asarray(scores) for name, scores in fitted.score_distances(rows["distances"].copy()).items()}

    def _distances(self, clips: Rows, normals: Rows) -> Any:
        return distances_of(clips["features"], normals["features"], self._metric)


def ways(bench: Bench) -> Iterator[Way]:
    """Yield the ways of a bench's component."""
    yield Way(bench)
    component = bench.build()
    if isinstance(bench, ScorerBench) and all(hasattr(component, name) for name in PARTS):
        yield ByDistances(bench, component.metric)


def way_named(bench: Bench, name: str) -> Way:
    """Return a way that :func:`ways` yielded, to ask a component that was fitted elsewhere."""
    return Way(bench) if name == Way.name else ByDistances(bench, "")  # type: ignore[arg-type]


def answers(way: Way, fitted: Any, rows: Rows) -> dict[str, Rows]:
    """Return what a component says of clips: of all at once, and of a few alone."""
    alone = [way.call(fitted, take(rows, [row])) for row in SINGLES]
    return {"all clips at once": way.call(fitted, rows), "one clip at a time": join(*alone)}
