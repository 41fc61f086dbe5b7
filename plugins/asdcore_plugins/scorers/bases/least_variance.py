"""Distances with as much of the local density taken off as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y), rho(y) being the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v that one's rho
(Matsumoto et al., DCASE Workshop 2025). By ``without`` neither rho, nor u, nor which clip is the nearest other rests on
the clips that z must not rest on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asdcore_plugins.scorers.bases.local_density import LocalDensity, MeanDensity
from asdcore_plugins.stats.masked import slopes
from asdcore_plugins.stats.parameters import REFERENCES, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


class LeastVariance(LocalDensity):
    """Distance less alpha times the local density's distance; in the unit of the distance.

    k : neighbours of rho; where there are fewer, those there are.
    """

    def __init__(
        self, k: int = 4, among: str = "pooled", metric: str = "cosine", references: Sequence[str] = REFERENCES
    ) -> None:
        super().__init__("varmin", whole("k", k), among, metric, references)

    def _density(self, near: Neighbours, known: Flags, target: Flags) -> MeanDensity:
        import numpy as np

        return MeanDensity(near, np.ones((len(known), self._most)))

    def _terms(self, rho: Floats, known: Flags, banks: Banks | BanksWithout) -> tuple[float, Floats]:
        import numpy as np

        nearest = np.take_along_axis(rho, banks.nearest(), axis=1)
        return 1.0, slopes(banks.nearest_distances(), nearest, known) * rho
