"""A Gaussian with a shrunk covariance about one mean or several, and its exact leave-one-out.

The covariance of n clips centred on the mean of their own group is Sigma = (1 - a) S + a mu I: S the empirical one
(divided by n), mu the mean of its diagonal, and a the shrinkage of

* ``ledoit_wolf``: Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", J.
  Multivariate Analysis 88;
* ``oas``: Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation", IEEE
  Transactions on Signal Processing 58, eq. 23; or
* a number above 0 and below 1.

Without clip i the mean of its group, S, mu and the shrinkage itself follow from sums over all clips, and
Sherman-Morrison turns the inverse of the full scatter into that of the reduced one. Everything lives in the singular
vectors of the centred bank, so features with more dimensions than clips cost no more than clips allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import Learned, Number

CANCELLED = 1e-6
"""A clip is refitted if less than this share of the scatter remains without it: the closed form loses its digits."""

INVERTIBLE = 1e-12
"""The smallest variance, relative to the largest, whose inverse is meaningful."""


@dataclass(frozen=True)
class Gaussian(Learned):
    """A Gaussian in the singular vectors of its centred bank.

    Parameters
    ----------
    means
        (groups, D) mean of each group.
    basis
        (r, D) singular vectors.
    variances
        (r,) the eigenvalues of S.
    amount, mu
        The shrinkage a, and the variance that it shrinks toward.
    """

    means: Annotated[Floats, "groups D"]
    basis: Annotated[Floats, "r D"]
    variances: Annotated[Floats, "r"]
    amount: Number
    mu: Number

    def distances(self, rows: Floats) -> Floats:
        """(n, D) -> squared Mahalanobis distances from every mean (n, groups)."""
        # One row at a time: the rounding of a row must not depend on how many there are.
        floor = self.amount * self.mu
        weights = 1.0 / ((1.0 - self.amount) * self.variances + floor)
        scores = np.empty((len(rows), len(self.means)))
        for i, row in enumerate(rows):
            for g, mean in enumerate(self.means):
                centred = row - mean
                inside = np.square(np.einsum("rd,d->r", self.basis, centred))
                outside = max(float(np.square(centred).sum() - inside.sum()), 0.0)
                scores[i, g] = (inside * weights).sum() + (outside / floor if self._flat else 0.0)
        return scores

    @property
    def _flat(self) -> bool:
        """Whether some directions have no spread. If the bank spans all, the rest outside is rounding."""
        return len(self.variances) < int(self.means.shape[1])


@dataclass(frozen=True)
class BankGaussian(Gaussian):
    """A Gaussian that knows the clips of its bank, and so what it is without each.

    Parameters
    ----------
    means, basis, variances, amount, mu
        As of :class:`Gaussian`.
    group
        (n,) the group that each clip of the bank belongs to.
    projected
        (n, r) the centred bank @ basis.T.
    shrinkage
        How the shrinkage is estimated.
    """

    group: NDArray[np.intp]
    projected: Floats
    shrinkage: str | float

    def distances_left_out(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Measure each clip of the bank by the Gaussian of the others.

        Returns the distances (n, groups), and which clips (n,) are lost to cancellation. With m clips in the group of
        clip i, the scatter of the others is that of all less m / (m - 1) x_i x_i', and x_i lies m / (m - 1) x_i from
        their mean. So their covariance is scale S - downdate x_i x_i', and by Sherman-Morrison the distance is
        (m / (m - 1))^2 q / (1 - (1 - a) downdate q).
        """
        n, left = len(self.projected), len(self.projected) - 1
        gram = self.projected @ self.projected.T
        norms = np.diag(gram).copy()
        size = np.bincount(self.group)[self.group]
        scale, downdate = n / left, size / ((size - 1) * left)
        spread = np.square(self.projected) @ self.variances
        whole = scale**2 * np.square(self.variances).sum()
        square = whole - 2 * scale * downdate * spread + downdate**2 * norms**2
        trace = scale * self.variances.sum() - downdate * norms
        fourth = self._fourths_left_out(gram, norms, size - 1)
        amount, mu = shrinkage_of(self.shrinkage, left, self.means.shape[1], trace, square, fourth)
        inverse = 1.0 / ((1.0 - amount)[:, None] * scale * self.variances + (amount * mu)[:, None])
        q = (np.square(self.projected) * inverse).sum(axis=1)
        remaining = 1.0 - (1.0 - amount) * downdate * q
        lost = (square < CANCELLED * whole) | (remaining < CANCELLED)
        remaining[lost] = 1.0
        scores = self._other_means(inverse, (1.0 - amount) * downdate / remaining, amount * mu)
        scores[np.arange(n), self.group] = (size / (size - 1)) ** 2 * q / remaining
        return scores, lost

    def _fourths_left_out(self, gram: Floats, norms: Floats, fewer: NDArray[np.intp]) -> Floats:
        """Return the sum of |x_k|^4 over the other centred rows for each clip left out: its group's mean moves."""
        moved = norms[:, None] + 2.0 * gram / fewer + norms / fewer**2
        others = np.square(np.where(self.group[:, None] == self.group, moved, norms[:, None]))
        np.fill_diagonal(others, 0.0)
        sums: Floats = others.sum(axis=0)
        return sums

    def _other_means(self, inverse: Floats, gain: Floats, floor: Floats) -> Floats:
        """Return the distances from the means of other groups (n, groups): v' A^-1 v + gain (v' A^-1 x_i)^2."""
        scores = np.empty((len(self.projected), len(self.means)))
        for g, mean in enumerate(self.means):
            others = np.flatnonzero(self.group != g)
            gap = self.means[self.group[others]] - mean
            across = gap @ self.basis.T
            offset = self.projected[others] + across
            cross = (offset * inverse[others] * self.projected[others]).sum(axis=1)
            scores[others, g] = (np.square(offset) * inverse[others]).sum(axis=1) + gain[others] * np.square(cross)
            if self._flat:
                outside = np.square(gap).sum(axis=1) - np.square(across).sum(axis=1)
                scores[others, g] += np.maximum(outside, 0.0) / floor[others]
        return scores


def estimate(rows: Floats, group: NDArray[np.intp], shrinkage: str | float = "ledoit_wolf") -> BankGaussian:
    """Estimate the Gaussian of rows.

    Parameters
    ----------
    rows
        (n, D) rows.
    group
        (n,) group of each row, numbered from 0; each group has a row.
    shrinkage
        "ledoit_wolf", "oas", or a number above 0 and below 1.

    Returns
    -------
    BankGaussian
        With one mean for each group.

    Raises
    ------
    DataError
        If the rows do not vary, or their covariance has no inverse.

    Examples
    --------
    >>> rows = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    >>> gaussian = estimate(rows, np.zeros(4, np.intp), shrinkage=0.5)
    >>> gaussian.distances(np.array([[1.625, 0.0]])).round(3).tolist()
    [[1.625]]
    """
    first = rows[np.unique(group, return_index=True)[1]]
    # Compared, not subtracted: the mean of equal numbers may be off by rounding, which would pass for a spread.
    if (rows == first[group]).all():
        raise DataError(
            f"all {len(rows)} train normals have the same features{' in each domain' if len(first) > 1 else ''}, "
            "so no direction has a spread"
        )
    means = np.array([rows[group == g].mean(axis=0) for g in range(len(first))])
    centred = rows - means[group]
    _, singular, basis = np.linalg.svd(centred, full_matrices=False)
    kept = singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps
    variances, basis = np.square(singular[kept]) / len(rows), np.ascontiguousarray(basis[kept])
    projected = centred @ basis.T
    fourth = np.square(np.square(projected).sum(axis=1)).sum()
    sums = variances.sum(), np.square(variances).sum(), fourth
    amount, mu = shrinkage_of(shrinkage, len(rows), rows.shape[1], *sums)
    if len(variances) < rows.shape[1] and not amount * mu > INVERTIBLE * variances[0]:
        raise DataError(
            f"the {len(rows)} train normals hold too few different features for a covariance: the shrinkage is "
            f"{float(amount):.1g}, so it has no inverse. Look for repeated clips."
        )
    return BankGaussian(means, basis, variances, float(amount), float(mu), group, projected, shrinkage)


def shrinkage_of(
    how: str | float, n: int | NDArray[np.intp], dimensions: int, trace: Floats, square: Floats, fourth: Floats
) -> tuple[Floats, Floats]:
    """Return shrinkage and mu from tr(S), ||S||_F^2 and sum_k ||x_k||^4 of n centred rows."""
    mu = trace / dimensions
    if how == "oas":
        excess = square - trace**2 / dimensions
        above = (1.0 - 2.0 / dimensions) * square + trace**2
        below = (n + 1.0 - 2.0 / dimensions) * excess
        amount = np.divide(above, below, out=np.ones_like(np.asarray(below)), where=np.asarray(excess) > 0)
        return np.clip(amount, 0.0, 1.0), mu
    if how != "ledoit_wolf":
        return np.full_like(np.asarray(trace), how), mu
    distance = (square - trace**2 / dimensions) / dimensions
    error = (fourth / n - square) / (dimensions * n)
    error = np.minimum(error, distance)
    amount = np.divide(error, distance, out=np.zeros_like(np.asarray(error)), where=np.asarray(distance) > 0)
    return np.maximum(amount, 0.0), mu
