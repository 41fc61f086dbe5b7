"""Nearest neighbours, with the target bank extended towards the source bank (MemMixup).

The target bank gets the points alpha t + (1 - alpha) s, for every target clip t and its ``k_source`` nearest source
clips s (all of them by default). A(x) is the mean of the k smallest distances to the clips and points. From GenRep
(Saengthong and Shinozaki, 2024), with alpha = 0.9; for the cosine metric points are scaled back to unit length. A bank
without target clips, or without source clips, has no such points and is a plain nearest-neighbour bank.

Features of points are never computed: a distance to a point follows from three others. Leave-one-out is exact: a clip
is left out with all its points. Time and memory: a distance matrix of n_train^2, then n_train + n_target * k_source for
a clip. A bank of more than 5,000 clips is searched instead, with the same bits, if points lie between at most 1,024 of
its clips. A bank of more than 30,000 clips requires that, and so a ``k_source``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, Without
from asdcore_plugins.scorers.bases.interpolated_bank import InterpolatedBank, PointsOf
from asdcore_plugins.scorers.bases.interpolated_points import Points
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Indices
from asdcore_plugins.stats.parameters import fraction, whole_or_none


class MemMixup(InterpolatedBank):
    """k nearest neighbours among train clips and points from target to source clips; in the unit of the distance.

    Parameters
    ----------
    k
        Neighbours whose mean distance is the score.
    alpha
        Share of the target clip in a point, 0 to 1.
    k_source
        Source clips that each target clip is mixed with, or None for all.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.

    Raises
    ------
    ValueError
        If ``alpha`` is not from 0 to 1, or another parameter is not allowed.

    References
    ----------
    P. Saengthong and T. Shinozaki, "GenRep", 2024.

    Examples
    --------
    A target clip at 0 and a source clip at 10 give a point at 1:

    >>> import numpy as np
    >>> train, domain = np.array([[10.0], [0.0], [-8.0]], np.float32), np.array(["source", "target", "target"])
    >>> scorer = MemMixup(references=["target"]).fit(train, domain)
    >>> scorer.score(np.array([[1.5]], np.float32))["target"].round(6).tolist()
    [0.5]
    """

    def __init__(
        self,
        k: int = 1,
        alpha: float = 0.9,
        k_source: int | None = None,
        metric: str = "euclidean",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._alpha = fraction("alpha", alpha)
        self._k_source = whole_or_none("k_source", k_source)
        super().__init__("memmixup", k, metric, references)

    def _between(self, source: Indices, target: Indices, spare: int = 0) -> Points:
        k = len(source) if self._k_source is None else self._k_source + spare
        a, b, apart = self._towards(target, source, k)
        return Points(a, b, np.full(len(a), 1.0 - self._alpha), apart)

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        super()._learn(rows, domain)
        # With one point more for every target clip, which steps in if a source clip is left out.
        self._all = self._between(np.flatnonzero(~self._target), np.flatnonzero(self._target), spare=1)

    def _points_without(self, without: Without) -> PointsOf:
        source, target = np.flatnonzero(~self._target), np.flatnonzero(self._target)
        points, k = self._longer(source, target, without), self._k_source

        def lost(i: int) -> tuple[Points, Flags]:
            gone = without.mask(np.array([i]))[0]
            missing = gone[points.b]
            if k is not None and len(target):
                # The points of a target clip stand nearest first: of those left, the first k count.
                by_target = missing.reshape(len(target), -1)
                by_target |= np.cumsum(~by_target, axis=1) > k
            return points, missing | gone[points.a]

        return lost

    def _longer(self, source: Indices, target: Indices, without: Without) -> Points:
        """Return the points of every target clip, with as many more as a set may take away."""
        return self._between(source, target, spare=without.most)

    def _ends(self, without: Without | None = None) -> Indices:
        if without is None:
            return np.union1d(super()._ends(), self._all.b)
        longer = self._longer(np.flatnonzero(~self._target), np.flatnonzero(self._target), without)
        return np.union1d(super()._ends(), longer.b)

    def _most_ends(self, source: int, target: int) -> int:
        each = source if self._k_source is None else self._k_source + 1
        return target + min(source, target * each) if target else 0

    def _without(self, i: int) -> tuple[Points, Flags]:
        lost = self._all.b == i
        if len(lost) > len(self._points.b):
            by_target = lost.reshape(int(self._target.sum()), -1)
            by_target[:, -1] |= ~by_target.any(axis=1)
        return self._all, lost | (self._all.a == i)
