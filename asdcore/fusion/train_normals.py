"""The train normals that fusion strategies are fitted on, and the sums, curves and correlations they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PortfolioError, located
from asdcore.fusion.smooth_ecdf import SmoothEcdf

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
Fuse = Callable[[Columns], Floats]


@dataclass(frozen=True)
class Normals:
    """Out-of-fold train normals of one cell: phi (n,) of every branch read, domain (n,), and the weights > 0."""

    phi: Columns
    domain: NDArray[np.str_]
    weights: Mapping[str, float]

    def curves(self) -> dict[str, SmoothEcdf]:
        """Return the smooth CDF of every weighted branch."""
        return {branch: curve(self.phi, branch) for branch in self.weights}

    def sum_of(self, part: Callable[[SmoothEcdf, Floats], Floats]) -> Fuse:
        """Fit the CDFs F and return phi -> sum_b w_b part(F_b, phi_b) (n_clips,)."""
        curves = self.curves()
        return lambda phi: added(self.weights, {branch: part(cdf, phi[branch]) for branch, cdf in curves.items()})


def added(weights: Mapping[str, float], phi: Columns) -> Floats:
    """Return sum_b w_b phi_b (n_clips,), branch after branch in the order of names."""
    total = np.zeros_like(phi[min(weights)])
    for branch in sorted(weights):
        total = total + weights[branch] * phi[branch]
    return total


def curve(phi: Columns, branch: str) -> SmoothEcdf:
    """Return the smooth CDF of a branch; raises DataError if all its normals are the same."""
    with located(f"branch {branch!r}"):
        return SmoothEcdf(phi[branch])


def moments(phi: Columns, branch: str) -> tuple[float, float]:
    """Return the mean and the deviation of a branch; raises DataError if all its normals are the same."""
    values = phi[branch]
    if not np.ptp(values) > 0:
        raise DataError(f"branch {branch!r}: all {len(values)} train-normal scores are the same, so they have no scale")
    return float(np.mean(values)), float(np.std(values))


def correlations(columns: Columns, shrinkage: float = 0.0) -> Floats:
    """Return the correlations (k, k) of k columns (n,), in their order, drawn toward the identity by ``shrinkage``.

    Summed by numpy, not by a matrix product, whose rounding may depend on the number of threads.
    """
    check_shares(shrinkage=shrinkage)
    scales = {name: moments(columns, name) for name in columns}
    standard = [(columns[name] - mean) / spread for name, (mean, spread) in scales.items()]
    measured = np.array([[float(np.mean(left * right)) for right in standard] for left in standard])
    shrunk: Floats = (1.0 - shrinkage) * measured + shrinkage * np.eye(len(measured))
    return shrunk


def check_shares(**values: float) -> None:
    """Raise PortfolioError for a value outside [0, 1]."""
    for key, value in values.items():
        if not 0 <= value <= 1:
            raise PortfolioError(f"{key} must be between 0 and 1, not {value}.")
