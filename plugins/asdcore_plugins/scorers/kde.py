"""Kernel density of a Gaussian around every train normal.

A(x) = -log of the mean over the bank of exp(-d(x, y)^2 / (2 h^2)): up to a constant of the bank, minus the logarithm of
Parzen's density (1962). The bandwidth h is the median distance of a train normal to its nearest other (of those that
are not 0: repeated clips have none), times ``width``.

Leave-one-out is exact, h included. Time and memory: a distance matrix of n_train^2, then n_train a clip left out or
scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.banks import REFERENCES, DistanceScorer
from asdcore_plugins.stats.density import neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class KDE(DistanceScorer):
    """Minus the log kernel density in each reference; a reference of fewer than 3 train clips is left out.

    width : bandwidth, in medians of the distance to the nearest other; above 0.
    """

    def __init__(self, width: float = 1.0, metric: str = "euclidean", references: Sequence[str] = REFERENCES) -> None:
        if not isinstance(width, int | float) or isinstance(width, bool) or not 0 < width < float("inf"):
            raise ValueError(f"width must be a number above 0, got {width!r}")
        self._width = float(width)
        super().__init__("kde", metric, references, fewest=3)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        return {
            name: np.array([_surprise(row[members], self._bandwidth[name]) for row in distances], dtype=np.float64)
            for name, members in self._members.items()
        }

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each under the density of the others."""
        import numpy as np

        self._check_fitted()
        scores = {name: np.empty(self._n) for name in self._members}
        for name, members in self._members.items():
            for i in range(self._n):
                others = members[members != i]
                bandwidth = self._median(self._neighbours[name].without(i)[1][others, 0])
                scores[name][i] = _surprise(self._rows(slice(i, i + 1))[0][others], bandwidth)
        return scores

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._neighbours, self._bandwidth = {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            self._neighbours[name] = neighbours(rows, group, 1)
            self._bandwidth[name] = self._median(self._neighbours[name].all()[1][members, 0])

    def _median(self, nearest: Floats) -> float:
        """Distances (n,) of clips to their nearest others -> h."""
        import numpy as np

        positive = nearest[nearest > 0]
        if not len(positive):
            raise DataError(f"kde finds all {len(nearest)} train normals repeated, so they have no bandwidth")
        return self._width * float(np.median(positive))


def _surprise(distances: Floats, bandwidth: float) -> float:
    """Distances (m,) of one clip -> minus the log of the mean of the kernels, without under- or overflow."""
    import numpy as np

    exponents = np.square(distances / bandwidth) / 2.0
    least = float(exponents.min())
    return least - float(np.log(np.exp(least - exponents).mean()))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``kde``."""
    register("kde", KDE)
