"""Banks with made-up target clips: points between two train clips, of which no features are ever made.

How far a clip is from the point (1 - share) a + share b follows from its distances to a and b and theirs to each other
(Stewart's theorem), so a thousand such points cost a thousand sums. For the cosine metric the points are those of the
unit vectors, brought back to unit length.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore_plugins.stats.banks import DistanceScorer, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Points:
    """Points between train clips ``a`` and ``b`` at ``share`` of the way, who are ``apart``; each (n_points,)."""

    a: Indices
    b: Indices
    share: Floats
    apart: Floats

    def distances(self, row: Floats, metric: str) -> Floats:
        """One clip's distances (n_train,) to the train clips -> (n_points,) to the points."""
        import numpy as np

        here, there, both = 1.0 - self.share, self.share, self.share * (1.0 - self.share)
        if metric == "euclidean":
            squares = here * np.square(row[self.a]) + there * np.square(row[self.b]) - both * np.square(self.apart)
            return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
        length = np.sqrt(np.maximum(1.0 - 4.0 * both * self.apart, 0.0))
        product = here * (1.0 - 2.0 * row[self.a]) + there * (1.0 - 2.0 * row[self.b])
        cosine = np.divide(product, length, out=np.zeros_like(product), where=length > 0)
        return np.asarray(np.clip((1.0 - cosine) / 2.0, 0.0, 1.0))


class MixedBank(DistanceScorer):
    """Mean of the k smallest distances to a bank; points are added to the target bank and to the pooled one."""

    uses_source: bool
    """Whether points lie between source clips too, and not between target clips alone."""

    def __init__(self, name: str, k: int, metric: str, references: Sequence[str]) -> None:
        self._k = whole("k", k)
        super().__init__(name, metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        scores = {name: np.empty(len(distances)) for name in self._members}
        for i, row in enumerate(distances):
            mixed = self._points.distances(row, self.metric)
            for name, members in self._members.items():
                scores[name][i] = self._nearest(name, row[members], mixed)
        return scores

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each without itself and the points it is part of."""
        import numpy as np

        self._check_fitted()
        scores = {name: np.empty(self._n) for name in self._members}
        source, target = np.flatnonzero(~self._target), np.flatnonzero(self._target)
        fewer = self._between(source[1:], target) if not self.uses_source else None
        for i in range(self._n):
            row = self._rows(slice(i, i + 1))[0]
            changed = fewer is None or self._target[i]
            points = self._between(source[source != i], target[target != i]) if changed else fewer
            mixed = points.distances(row, self.metric) if points is not None else row[:0]
            for name, members in self._members.items():
                scores[name][i] = self._nearest(name, row[members[members != i]], mixed)
        return scores

    @abstractmethod
    def _between(self, source: Indices, target: Indices) -> Points:
        """Return the points that a bank of these source and target clips gets."""

    def _nearest(self, name: str, real: Floats, mixed: Floats) -> float:
        import numpy as np

        candidates = real if name == "source" else np.concatenate([real, mixed])
        k = min(self._k, len(candidates))
        return float(np.sort(np.partition(candidates, k - 1)[:k]).mean())

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._target = domain == "target"
        target = np.flatnonzero(self._target)
        # From a target clip (its place among the target clips) to every train clip.
        self._place = np.cumsum(self._target) - 1
        self._from_target = np.array([rows(slice(i, i + 1))[0] for i in target]).reshape(len(target), len(domain))
        self._points = self._between(np.flatnonzero(~self._target), target)

    def _towards(self, target: Indices, others: Indices, k: int) -> tuple[Indices, Indices, Floats]:
        """Pairs of each target clip and its k nearest ``others``: (a, b, how far apart), each (n_target * k,)."""
        import numpy as np

        apart = self._from_target[np.ix_(self._place[target], others)]
        apart[target[:, None] == others] = np.inf
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        nearest = np.take_along_axis(apart, order, axis=1)
        return np.repeat(target, order.shape[1]), others[order].ravel(), nearest.ravel()
