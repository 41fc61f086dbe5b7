"""Local outlier factor: how much sparser a clip's surroundings are than those of its neighbours.

With N_k(x) the k train normals nearest to x and kdist(y) the distance of y to its k-th nearest other:
reach(x, y) = max(d(x, y), kdist(y)), lrd(x) = 1 / (mean of reach over N_k(x) + 1e-10), and
LOF(x) = mean of lrd(y) over N_k(x), over lrd(x). Near 1 among normals, larger outside. From Breunig et al., "LOF:
Identifying Density-Based Local Outliers" (SIGMOD 2000); the small constant, which repeated clips need, is that of
scikit-learn, whose scores as a novelty detector these are.

Leave-one-out is exact: without the clip its neighbours have other neighbours, reaches and densities. Time and memory: a
distance matrix of n_train^2, then n_train * k a clip left out, n_train log n_train a clip scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, DistanceScorer, whole
from asdcore_plugins.stats.density import neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SMALLEST = 1e-10
"""Added to a mean reach, so that a clip among its repetitions has a density."""


class LOF(DistanceScorer):
    """The local outlier factor in each reference; without unit. A reference of fewer than 3 train clips is left out.

    k : neighbours; where there are fewer, those there are.
    """

    def __init__(self, k: int = 20, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        self._k = whole("k", k)
        super().__init__("lof", metric, references, fewest=3)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        scores = {}
        for name, members in self._members.items():
            furthest, density = self._surroundings[name]
            scores[name] = np.array(
                [self._factor(row, members, furthest, density) for row in distances], dtype=np.float64
            )
        return scores

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each among the others as they are without it."""
        import numpy as np

        self._check_fitted()
        scores = {name: np.empty(self._n) for name in self._members}
        for name, members in self._members.items():
            for i in range(self._n):
                furthest, density = _densities(*self._neighbours[name].without(i))
                others = members[members != i]
                scores[name][i] = self._factor(self._rows(slice(i, i + 1))[0], others, furthest, density)
        return scores

    def _factor(self, distances: Floats, members: Indices, furthest: Floats, density: Floats) -> float:
        """LOF of one clip by its distances (n_train,) to ``members``, whose densities are known."""
        import numpy as np

        near = members[np.argsort(distances[members], kind="stable")[: self._k]]
        reach = np.maximum(distances[near], furthest[near])
        return float(density[near].mean() * (reach.mean() + SMALLEST))

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._neighbours, self._surroundings = {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            self._neighbours[name] = neighbours(rows, group, self._k)
            self._surroundings[name] = _densities(*self._neighbours[name].all())


def _densities(index: Indices, distance: Floats) -> tuple[Floats, Floats]:
    """Nearest others of every clip (n, k) -> (distance of the furthest (n,), local reachability density (n,))."""
    import numpy as np

    there = np.isfinite(distance)
    furthest = np.where(there, distance, 0.0).max(axis=1)
    reach = np.where(there, np.maximum(distance, furthest[index]), 0.0)
    return furthest, 1.0 / (reach.sum(axis=1) / np.maximum(there.sum(axis=1), 1) + SMALLEST)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``lof``."""
    register("lof", LOF)
