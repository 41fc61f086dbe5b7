"""The base of scorers that subtract as much local density as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y). rho(y) is the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v the rho of that one
(Matsumoto et al., DCASE Workshop 2025). With ``without`` neither rho, nor u, nor the choice of the nearest other rests
on the clips that z must not rest on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asdcore import REFERENCES
from asdcore_plugins.scorers.bases.local_density import LocalDensity, MeanDensity
from asdcore_plugins.stats.arrays import Flags, Floats
from asdcore_plugins.stats.masked import slopes
from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.parameters import whole


class LeastVariance(LocalDensity):
    """Distance less alpha times the local density's distance; in the unit of the distance.

    Parameters
    ----------
    k
        Neighbours of rho; all there are if there are fewer.
    among, metric, references
        As in :class:`~asdcore_plugins.scorers.bases.local_density.LocalDensity`.
    """

    def __init__(
        self, k: int = 4, among: str = "pooled", metric: str = "cosine", references: Sequence[str] = REFERENCES
    ) -> None:
        super().__init__("varmin", whole("k", k), among, metric, references)

    def _density(self, near: Neighbours, counted: Flags, target: Flags) -> MeanDensity:
        return MeanDensity(near, np.ones((len(counted), self._most)))

    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[float, Floats]:
        nearest = np.take_along_axis(rho, banks.nearest(), axis=1)
        return 1.0, slopes(banks.nearest_distances(), nearest, counted) * rho
