"""How dense a bank is around each of its clips, and distances that are judged by it.

Where normal clips lie close together a small distance says much, where they are sparse little. Every scorer of this
family is min_y (d(x, y) / scale(y) - offset(y)) over a bank, and differs in what it makes of a clip's nearest others.

Leave-one-out is exact: without clip i, clips that had it among their neighbours get the next one instead, and
everything that rests on neighbours (densities, their median, fitted slopes) is made anew from what is left.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore import DataError
from asdcore_plugins.stats.banks import BLOCK, DistanceScorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

FLOOR = 1e-6
"""What is added to a density's distance, as a share of the median one: repeated clips have none of their own."""

VARIES = 1e-12
"""A deviation that is a smaller share of the largest value than this is rounding."""

AMONG = ("pooled", "domain")


@dataclass(frozen=True)
class Neighbours:
    """The nearest others of every clip, nearest first; index -1 and distance inf where there are no more.

    index, distance : (n, k + 1); the last column steps in where one of the others is left out.
    """

    index: Indices
    distance: Floats

    def all(self) -> tuple[Indices, Floats]:
        """Return (index, distance) of the k nearest others of every clip (n, k)."""
        return self.index[:, :-1], self.distance[:, :-1]

    def without(self, i: int) -> tuple[Indices, Floats]:
        """Return what :meth:`all` would return had clip i not been there; its own row means nothing."""
        import numpy as np

        index, distance = self.index[:, :-1].copy(), self.distance[:, :-1].copy()
        rows, columns = np.nonzero(self.index[:, :-1] == i)
        for row, column in zip(rows, columns, strict=True):
            index[row, column:] = self.index[row, column + 1 :]
            distance[row, column:] = self.distance[row, column + 1 :]
        return index, distance


def neighbours(rows: Rows, group: Indices, k: int) -> Neighbours:
    """Find the k + 1 nearest others of every clip among those of its group (n,); of group -1 there are none.

    Of equally near ones, the first in the bank's order is the nearer.
    """
    import numpy as np

    n = len(group)
    index, distance = np.full((n, k + 1), -1), np.full((n, k + 1), np.inf)
    for start in range(0, n, BLOCK):
        block = np.arange(start, min(start + BLOCK, n))
        near = np.where(group[block, None] == group, rows(slice(start, block[-1] + 1)), np.inf)
        near[np.arange(len(block)), block] = np.inf
        near[group[block] < 0] = np.inf
        order = np.argsort(near, axis=1, kind="stable")[:, : k + 1]
        distance[block, : order.shape[1]] = np.take_along_axis(near, order, axis=1)
        index[block, : order.shape[1]] = order
    index[np.isinf(distance)] = -1
    return Neighbours(index, distance)


def weighted(distance: Floats, weights: Floats, *, total: bool = False) -> Floats:
    """(n, k) distances and weights -> (n,) weighted mean, or sum, over the neighbours there are; nan without any."""
    import numpy as np

    there = np.isfinite(distance)
    sums = (np.where(there, distance, 0.0) * weights).sum(axis=1)
    mass = np.ones(len(sums)) if total else np.where(there, weights, 0.0).sum(axis=1)
    return np.asarray(np.divide(sums, mass, out=np.full(len(sums), np.nan), where=there.any(axis=1)))


def floored(density: Floats, known: Indices, name: str) -> Floats:
    """Add a floor to the densities' distances (n,): a share of the median positive one among the clips ``known``."""
    import numpy as np

    positive = density[known][density[known] > 0]
    if not len(positive):
        raise DataError(
            f"{name} finds all {len(known)} train normals repeated, so no distance between them is positive"
        )
    return density + FLOOR * float(np.median(positive))


def cluster_exit(distance: Floats, known: Indices, quantile: float) -> Indices:
    """(n, k) distances of neighbours, nearest first -> how many of them lie in the clip's own cluster (n,).

    The ratio of one neighbour's distance to the next one's is small where the next lies outside the cluster. The first
    of the ratios, averaged in pairs, below their ``quantile`` over the whole bank ends the neighbourhood; without one
    it ends two neighbours before the last. It has two neighbours at least, where there are two.
    """
    import numpy as np

    there = np.isfinite(distance)
    nearer, farther = distance[:, :-1], np.where(there[:, 1:], distance[:, 1:], 1.0)
    ratio = np.divide(nearer, farther, out=np.ones_like(farther), where=farther > 0)
    smooth = np.where(there[:, 2:], (ratio[:, :-1] + ratio[:, 1:]) / 2.0, np.inf)
    inside = smooth[known][np.isfinite(smooth[known])]
    exits = smooth < (np.quantile(inside, quantile) if len(inside) else -np.inf)
    count = there.sum(axis=1)
    ends = np.where(exits.any(axis=1), exits.argmax(axis=1) + 1, count - 2)
    return np.asarray(np.minimum(np.maximum(ends, 2), count))


def within(distance: Floats, sizes: Indices) -> Floats:
    """(n, k) distances of neighbours -> (n,) mean of the ``sizes`` (n,) nearest."""
    import numpy as np

    return weighted(distance, (np.arange(distance.shape[1]) < sizes[:, None]).astype(np.float64))


def slope(values: Floats, by: Floats) -> float:
    """Cov(values, by) / Var(by), the least-squares slope; 0 where ``by`` does not vary beyond rounding."""
    import numpy as np

    centred = by - by.mean()
    variance = float(np.square(centred).sum())
    if variance <= len(by) * (VARIES * float(np.abs(by).max())) ** 2:
        return 0.0
    return float((centred * (values - values.mean())).sum() / variance)


class LocalDensity(DistanceScorer):
    """min_y (d(x, y) / scale(y) - offset(y)) over each reference; what scale and offset are, a subclass says.

    among : whose clips make up the neighbourhood of a train clip: all ("pooled"), or those of its domain ("domain").
        A clip needs two others there, of which one is left when the other is left out: so a reference with fewer than
        3 train normals, and for "domain" a domain with fewer, is left out.
    """

    def __init__(self, name: str, k: int, among: str, metric: str, references: Sequence[str]) -> None:
        if among not in AMONG:
            raise ValueError(f"among must be one of {', '.join(AMONG)}, got {among!r}")
        super().__init__(name, metric, references, fewest=3)
        self._most, self._among = k, among

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        judged = distances / self._scale - self._offset
        return {name: judged[:, members].min(axis=1) for name, members in self._members.items()}

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each by the densities the others have without it."""
        import numpy as np

        self._check_fitted()
        scores = {name: np.empty(self._n) for name in self._members}
        for i in range(self._n):
            scale, offset = self._terms(*self._neighbours.without(i), self._known[self._known != i])
            judged = self._rows(slice(i, i + 1))[0] / scale - offset
            judged[i] = np.inf
            for name, members in self._members.items():
                scores[name][i] = judged[members].min()
        return scores

    @abstractmethod
    def _terms(self, index: Indices, distance: Floats, known: Indices) -> tuple[Floats | float, Floats | float]:
        """Neighbours of every clip (n, k), and the clips there are -> (scale, offset), (n,) or one for all."""

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        group = self._group(domain)
        self._known = np.flatnonzero(np.bincount(group, minlength=2)[group] > 2)
        self._neighbours = neighbours(rows, group, self._most)
        self._target = domain == "target"
        self._scale, self._offset = self._terms(*self._neighbours.all(), self._known)

    def _eligible(self, members: Indices, domain: NDArray[np.str_]) -> Indices:
        import numpy as np

        group = self._group(domain)
        return members[np.bincount(group, minlength=2)[group[members]] > 2]

    def _group(self, domain: NDArray[np.str_]) -> Indices:
        import numpy as np

        return (domain == "target").astype(np.intp) if self._among == "domain" else np.zeros(len(domain), np.intp)
