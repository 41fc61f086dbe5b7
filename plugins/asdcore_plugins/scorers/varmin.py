"""Distances with as much of the local density taken off as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y), rho(y) being the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v that one's rho.
alpha = 0 is the nearest neighbour, alpha = 1 the difference of ``ldn``; where all rho are the same, nothing is taken
off and alpha is 0. From Matsumoto et al., DCASE Workshop 2025. ``beam`` has it band by band.

Leave-one-out is exact: neighbours, rho and alpha are those of the other clips. Time and memory: a distance matrix of
n_train^2, then n_train + k^2 a clip left out, n_train a clip scored. A bank of more than 5,000 clips is searched
instead, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Callable

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.least_variance import LeastVariance


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``varmin``."""
    register("varmin", LeastVariance)
