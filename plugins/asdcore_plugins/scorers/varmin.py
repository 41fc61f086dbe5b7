"""Distances with as much of the local density taken off as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y), rho(y) being the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v that one's rho.
alpha = 0 is the nearest neighbour, alpha = 1 the difference of ``ldn``; where all rho are the same, nothing is taken
off and alpha is 0. From Matsumoto et al., DCASE Workshop 2025.

Leave-one-out is exact: neighbours, rho and alpha are those of the other clips. Time and memory: a distance matrix of
n_train^2, then n_train * k a clip left out, n_train a clip scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, whole
from asdcore_plugins.stats.density import LocalDensity, slope, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class VarMin(LocalDensity):
    """Distance less alpha times the local density's distance; in the unit of the distance.

    k : neighbours of rho; where there are fewer, those there are.
    """

    def __init__(
        self, k: int = 4, among: str = "pooled", metric: str = "cosine", references: Sequence[str] = REFERENCES
    ) -> None:
        super().__init__("varmin", whole("k", k), among, metric, references)

    def _terms(self, index: Indices, distance: Floats, known: Indices) -> tuple[float, Floats]:
        import numpy as np

        rho = weighted(distance, np.ones_like(distance))
        return 1.0, slope(distance[known, 0], rho[index[known, 0]]) * rho


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``varmin``."""
    register("varmin", VarMin)
