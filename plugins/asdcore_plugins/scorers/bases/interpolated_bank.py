"""The base of scorers that add points between train clips to a bank; features of these points are never computed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.distance import DistanceScorer
from asdcore_plugins.scorers.bases.interpolated_points import Points
from asdcore_plugins.scorers.bases.references import references_left
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat
from asdcore_plugins.stats.learned import LEARNED
from asdcore_plugins.stats.neighbours.bounded_distances import BoundedDistances
from asdcore_plugins.stats.neighbours.exact import BLOCK, mean_nearest
from asdcore_plugins.stats.neighbours.lazy_distances import MEASURED, LazyDistances
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import mean_smallest
from asdcore_plugins.stats.parameters import whole

ENDS = 1024
"""The most ends of points: with fewer, only distances to the ends are measured; a larger bank refuses more."""


FEW = 128
"""Ends of points that are all measured for a new clip; of more, only those of points that may be the nearest."""


PointsOf = Callable[[int], tuple[Points, Flags | None]]
"""Train clip -> the points of the bank without it; or more points, and which of them that bank lacks."""


class InterpolatedBank(DistanceScorer):
    """Mean of the k smallest distances to a bank; points are added to the target bank and to the pooled one.

    Points may lie between clips of one recording: nothing is learned by leaving clips out, so ``without`` of ``fit``
    changes nothing. All points of a clip that is left out are left out with it.

    Parameters
    ----------
    name
        Name of the scorer, for messages.
    k
        Neighbours whose mean distance is the score.
    metric, references
        As in :class:`~asdcore_plugins.scorers.bases.distance.DistanceScorer`.
    """

    _points: Annotated[Points, LEARNED]

    def __init__(self, name: str, k: int, metric: str, references: Sequence[str]) -> None:
        self._k = whole("k", k)
        super().__init__(name, metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        real = {name: np.take(distances, members, axis=1) for name, members in self._members.items()}
        return self._scores(real, [self._points.nearest(row, self.metric, self._k) for row in distances])

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        self._check_fitted()
        points, n_points = self._points.distances_to_onnx(distances, self.metric), len(self._points.a)
        every = distances.op("Concat", points, axis=1) if n_points else distances
        added = np.arange(self._n, self._n + n_points)
        return {
            name: mean_smallest(every, members if name == "source" else np.concatenate([members, added]), self._k)
            for name, members in self._members.items()
        }

    def _searched(self, bank: NearestRows, features: Floats32) -> Mapping[str, Floats]:
        far, clips = BoundedDistances(bank, flat(features)), range(len(features))
        real = {
            name: np.array([far.nearest(clip, members, self._k)[1] for clip in clips])
            for name, members in self._members.items()
        }
        return self._scores(real, [self._nearest_points(far, clip) for clip in clips])

    def _nearest_points(self, far: BoundedDistances, clip: int) -> Floats:
        """Return the distances of a clip to the nearest points: (k,), or fewer."""
        points = self._points
        row = far.lower[clip].copy()
        if len(points.ends) > FEW:
            lower = points.measured(row, self.metric)
            few = points.some(np.argpartition(lower, self._k)[: self._k] if self._k < len(lower) else slice(None))
            row[few.ends] = far.exactly(clip, few.ends)
            points = points.some(np.flatnonzero(lower <= few.measured(row, self.metric).max()))
        row[points.ends] = far.exactly(clip, points.ends)
        return points.nearest(row, self.metric, self._k)

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each without itself and the points it is part of."""
        return self._scored(None)

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        kept = references_left(without, self._members, self._fewest - 1, self.name)
        scores = self._scored(without)
        return {name: scores[name] for name in kept}

    def _scored(self, without: Without | None) -> dict[str, Floats]:
        """Score the fitted clips, each without itself or its set, and the points that these are part of."""
        points = self._without if without is None else self._points_without(without)
        if isinstance(self._rows, LazyDistances) and len(ends := self._ends(without)) <= ENDS:
            return self._searched_left_out(self._rows, ends, points, without)
        parts = []
        for start in range(0, self._n, BLOCK):
            clips = np.arange(start, min(start + BLOCK, self._n))
            rows = np.array(self._rows(clips))
            mixed = self._mixed(clips, rows, points)
            if without is None:
                np.fill_diagonal(rows[:, start:], np.inf)
            else:
                rows[without.mask(clips)] = np.inf
            real = {name: np.take(rows, members, axis=1) for name, members in self._members.items()}
            parts.append(self._scores(real, mixed))
        return {name: np.concatenate([part[name] for part in parts]) for name in self._members}

    def _searched_left_out(
        self, bank: LazyDistances, ends: Indices, points: PointsOf, without: Without | None
    ) -> dict[str, Floats]:
        """Score as ``score_left_out``, but measure only the distances to the ``ends`` of the points."""
        everyone, mixed = np.arange(self._n), []
        for start in range(0, self._n, BLOCK):
            clips = everyone[start : start + BLOCK]
            rows = np.zeros((len(clips), self._n))
            rows[:, ends] = bank.between(clips, ends)
            mixed += self._mixed(clips, rows, points)
        k = {name: min(self._k, len(members)) for name, members in self._members.items()}
        real = {name: bank.nearest(everyone, members, k[name], without)[1] for name, members in self._members.items()}
        return self._scores(real, mixed)

    def _mixed(self, clips: Indices, rows: Floats, points: PointsOf) -> list[Floats]:
        """Train clips and their distances (b, n_train) -> those to the nearest points without each, clip by clip."""
        near = []
        for i, row in zip(clips, rows, strict=True):
            there, lost = points(int(i))
            near.append(there.nearest(row, self.metric, self._k, lost))
        return near

    def _scores(self, real: Mapping[str, Floats], mixed: Sequence[Floats]) -> dict[str, Floats]:
        """Distances (n_clips, ...) in each reference, and to the nearest points; infinite ones do not count."""
        points = np.full((len(mixed), self._k), np.inf)
        for i, near in enumerate(mixed):
            points[i, : len(near)] = near
        return {
            name: mean_nearest(rows if name == "source" else np.concatenate([rows, points], axis=1), self._k)
            for name, rows in real.items()
        }

    def _without(self, i: int) -> tuple[Points, Flags | None]:
        """Return the points of a bank without clip i; or more points, and those that it lacks."""
        if not self._target[i]:
            return self._one_source_less, None
        target = np.flatnonzero(self._target)
        return self._between(np.flatnonzero(~self._target), target[target != i]), None

    def _points_without(self, without: Without) -> PointsOf:
        """Return a function: train clip -> the points of the bank without its set; or more, and those it lacks."""
        everyone = np.arange(self._n)
        made: dict[tuple[bytes, int], Points] = {}

        def points(i: int) -> tuple[Points, Flags | None]:
            gone = without.mask(np.array([i]))[0]
            source, target = everyone[~gone & ~self._target], everyone[~gone & self._target]
            # Points between target clips depend on how many source clips there are, not on which.
            which = target.tobytes(), len(source)
            if which not in made:
                made[which] = self._between(source, target)
            return made[which], None

        return points

    def _ends(self, without: Without | None = None) -> Indices:
        """Return the train clips that may be an end of a point, with ``without`` in any of its banks."""
        source, target = np.flatnonzero(~self._target), np.flatnonzero(self._target)
        if without is None:
            needed = self._most_ends(len(source), len(target)) > 0
        else:
            left = zip(without.count(source), without.count(target), strict=True)
            # One more target clip, for _most_ends leaves one out by itself.
            needed = any(self._most_ends(len(source) - s, len(target) - t + 1) for s, t in left)
        return target if needed else target[:0]

    def _most_ends(self, source: int, target: int) -> int:
        """Return how many of so many source and target clips are ends of points at most, if one clip is left out."""
        return target

    @abstractmethod
    def _between(self, source: Indices, target: Indices) -> Points:
        """Return the points that a bank of these source and target clips gets."""

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        self._from_target: Floats | None
        self._target = domain == "target"
        source, target = np.flatnonzero(~self._target), np.flatnonzero(self._target)
        ends = self._most_ends(len(source), len(target))
        if len(domain) > MEASURED and ends > ENDS:
            raise DataError(
                f"{self.name} would put points between {ends} of {len(domain)} train normals, which takes days. Of "
                f"more than {MEASURED} train normals, {ENDS} may have points between them: use fewer target clips, for "
                "memmixup a smaller k_source, or knn, which adds no points."
            )
        self._place, self._from_target = np.cumsum(self._target) - 1, None
        # Points between target clips depend on how many source clips there are, not on which.
        self._points, self._one_source_less = self._between(source, target), self._between(source[1:], target)

    def _towards(self, target: Indices, others: Indices, k: int) -> tuple[Indices, Indices, Floats]:
        """Pair each target clip with its k nearest ``others``: (a, b, how far apart), each (n_target * k,)."""
        if self._from_target is None:
            # From each target clip (its place among the target clips) to every train clip.
            clips = np.flatnonzero(self._target)
            self._from_target = np.empty((len(clips), self._n))
            for i, clip in enumerate(clips):
                self._from_target[i] = self._rows(slice(clip, clip + 1))[0]
        apart = self._from_target[np.ix_(self._place[target], others)]
        apart[target[:, None] == others] = np.inf
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        nearest = np.take_along_axis(apart, order, axis=1)
        return np.repeat(target, order.shape[1]), others[order].ravel(), nearest.ravel()
