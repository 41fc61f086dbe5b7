"""Banks with made-up target clips: points between two train clips, of which no features are ever made.

How far a clip is from the point (1 - share) a + share b follows from its distances to a and b and theirs to each other
(Stewart's theorem), so a thousand such points cost a thousand sums. For the cosine metric the points are those of the
unit vectors, brought back to unit length.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from asdcore_plugins.stats.banks import BLOCK, DistanceScorer
from asdcore_plugins.stats.neighbours import mean_nearest
from asdcore_plugins.stats.parameters import whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """Points between train clips ``a`` and ``b`` at ``share`` of the way, who are ``apart``; each (n_points,)."""

    a: Indices
    b: Indices
    share: Floats
    apart: Floats

    def nearest(self, row: Floats, metric: str, k: int, lost: Flags | None = None) -> Floats:
        """One clip's distances (n_train,) to the train clips -> the k smallest to the points, in any order.

        lost : (n_points,) points that are not there. Where there are fewer than k, distances to all, and inf.
        """
        import numpy as np

        here, there, lift, length = self._parts
        real = np.square(row) if metric == "euclidean" else 1.0 - 2.0 * row
        far, of_b = np.take(real, self.a), np.take(real, self.b)
        far *= here
        of_b *= there
        far += of_b
        if metric == "euclidean":
            far -= lift
        else:
            far = -np.divide(far, length, out=np.zeros_like(far), where=length > 0)
        if lost is not None:
            far[lost] = np.inf
        if k < len(far):
            far = far.min(keepdims=True) if k == 1 else np.partition(far, k - 1)[:k]
        # Both are increasing, so it is enough to take them of the smallest.
        near = np.sqrt(np.maximum(far, 0.0)) if metric == "euclidean" else np.clip((1.0 + far) / 2.0, 0.0, 1.0)
        return np.where(far < np.inf, near, np.inf)

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """What does not depend on the clip: both shares, what Stewart's theorem takes off, a point's own length."""
        import numpy as np

        both = self.share * (1.0 - self.share)
        length = np.sqrt(np.maximum(1.0 - 4.0 * both * self.apart, 0.0))
        return 1.0 - self.share, self.share, both * np.square(self.apart), length


class MixedBank(DistanceScorer):
    """Mean of the k smallest distances to a bank; points are added to the target bank and to the pooled one."""

    def __init__(self, name: str, k: int, metric: str, references: Sequence[str]) -> None:
        self._k = whole("k", k)
        super().__init__(name, metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        return self._scores(distances, [self._points.nearest(row, self.metric, self._k) for row in distances])

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each without itself and the points it is part of."""
        import numpy as np

        self._check_fitted()
        parts = []
        for start in range(0, self._n, BLOCK):
            rows = np.array(self._rows(slice(start, start + BLOCK)))
            mixed = []
            for i, row in enumerate(rows, start):
                points, lost = self._without(i)
                mixed.append(points.nearest(row, self.metric, self._k, lost))
            np.fill_diagonal(rows[:, start:], np.inf)
            parts.append(self._scores(rows, mixed))
        return {name: np.concatenate([part[name] for part in parts]) for name in self._members}

    def _scores(self, distances: Floats, mixed: Sequence[Floats]) -> dict[str, Floats]:
        """Distances (n_clips, n_train), and those to the nearest points, clip by clip; infinite ones are not there."""
        import numpy as np

        real = {name: np.take(distances, members, axis=1) for name, members in self._members.items()}
        points = np.full((len(distances), self._k), np.inf)
        for i, one in enumerate(mixed):
            points[i, : len(one)] = one
        return {
            name: mean_nearest(one if name == "source" else np.concatenate([one, points], axis=1), self._k)
            for name, one in real.items()
        }

    def _without(self, i: int) -> tuple[Points, Flags | None]:
        """Return the points of a bank without clip i; or more points, and those that it has not."""
        import numpy as np

        if not self._target[i]:
            return self._one_source_less, None
        target = np.flatnonzero(self._target)
        return self._between(np.flatnonzero(~self._target), target[target != i]), None

    @abstractmethod
    def _between(self, source: Indices, target: Indices) -> Points:
        """Return the points that a bank of these source and target clips gets."""

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._target = domain == "target"
        target = np.flatnonzero(self._target)
        # From a target clip (its place among the target clips) to every train clip.
        self._place = np.cumsum(self._target) - 1
        self._from_target = np.array([rows(slice(i, i + 1))[0] for i in target]).reshape(len(target), len(domain))
        source = np.flatnonzero(~self._target)
        # Points between target clips know of the source clips how many there are, and no more.
        self._points, self._one_source_less = self._between(source, target), self._between(source[1:], target)

    def _towards(self, target: Indices, others: Indices, k: int) -> tuple[Indices, Indices, Floats]:
        """Pairs of each target clip and its k nearest ``others``: (a, b, how far apart), each (n_target * k,)."""
        import numpy as np

        apart = self._from_target[np.ix_(self._place[target], others)]
        apart[target[:, None] == others] = np.inf
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        nearest = np.take_along_axis(apart, order, axis=1)
        return np.repeat(target, order.shape[1]), others[order].ravel(), nearest.ravel()
