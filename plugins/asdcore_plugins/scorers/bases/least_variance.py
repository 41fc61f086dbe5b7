"""The base of scorers that subtract as much local density as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y). rho(y) is the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v the rho of that one
(Matsumoto et al., DCASE Workshop 2025). With ``without`` neither rho, nor u, nor the choice of the nearest other rests
on the clips that z must not rest on.

In logarithms, A(x) = min_y d(x, y) / (rho(y) / median rho)^alpha with alpha = Cov(log u, log v) / Var(log v): the
exponential of min_y log d(x, y) - alpha log rho(y), but for a factor of the bank (Wilkinghoff, Yadav and Tan, arXiv
2603.04605, section IV-C).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asdcore import REFERENCES
from asdcore_plugins.scorers.bases.local_density import LocalDensity, MeanDensity, floor
from asdcore_plugins.stats.arrays import Flags, Floats
from asdcore_plugins.stats.masked import medians, slopes
from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.parameters import flag, whole

LARGEST = 300.0
"""What no logarithm of a power of a density exceeds: densities that hardly differ may have any slope."""


class LeastVariance(LocalDensity):
    """Distance less alpha times the local density's distance; in the unit of the distance.

    Parameters
    ----------
    k
        Neighbours of rho; all there are if there are fewer.
    among, metric, references
        As in :class:`~asdcore_plugins.scorers.bases.local_density.LocalDensity`.
    log
        Take the logarithms of distances, as above.
    """

    def __init__(
        self,
        k: int = 4,
        among: str = "pooled",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
        log: bool = False,
    ) -> None:
        self._log = flag("log", log)
        super().__init__("varmin", whole("k", k), among, metric, references)

    def _density(self, near: Neighbours, counted: Flags, target: Flags) -> MeanDensity:
        return MeanDensity(near, np.ones((len(counted), self._most)))

    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[Floats | float, Floats | float]:
        if self._log:
            return density_power(self.name, rho, counted, banks), 0.0
        nearest = np.take_along_axis(rho, banks.nearest(), axis=1)
        return 1.0, slopes(banks.nearest_distances(), nearest, counted) * rho


def density_power(
    name: str, rho: Floats, counted: Flags, banks: Banks | BanksWithout, least: float = -np.inf, most: float = np.inf
) -> Floats:
    """Return (rho / median rho)^alpha (b, n) of densities (b, n) in banks, alpha the slope of log u on log v.

    u and rho have a little added (:func:`floor`, which raises in the name of the scorer). alpha is held from ``least``
    to ``most``. The median is that of the clips that count.
    """
    added = floor(rho, counted, name)
    density = np.log(rho + added)
    density -= medians(density, counted)[:, None]
    nearest = np.take_along_axis(density, banks.nearest(), axis=1)
    # A constant leaves the slope as it is; without it, densities that are all alike would differ by their rounding.
    slope = slopes(np.log(banks.nearest_distances() + added), 1.0 + nearest, counted)
    return np.asarray(np.exp(np.clip(np.clip(slope, least, most) * density, -LARGEST, LARGEST)))
