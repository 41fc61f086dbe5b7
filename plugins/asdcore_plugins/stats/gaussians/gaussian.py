"""A Gaussian with a shrunk covariance about one mean or several, and its exact leave-one-out.

The covariance of n clips centred on the mean of their own group is Sigma = (1 - a) S + a mu I: S the empirical one
(divided by n), mu the mean of its diagonal, and a the shrinkage of

* ``ledoit_wolf``: Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", J.
  Multivariate Analysis 88;
* ``oas``: Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation", IEEE
  Transactions on Signal Processing 58, eq. 23; or
* a number above 0 and below 1.

Without clip i the mean of its group, S, mu and the shrinkage itself follow from sums over all clips, and
Sherman-Morrison turns the inverse of the full scatter into that of the reduced one. That takes n r^2 operations and
r^2 memory beside the bank, with r directions in which it varies. Everything lives in the singular
vectors of the centred bank, so features with more dimensions than clips cost no more than clips allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.gaussians.moments import Moments, blocks
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

    def shares(self, row: Floats, group: int) -> Floats:
        """(D,) -> squares of S^(-1/2) (x - m) (D,): what each feature adds to the squared distance from one mean."""
        floor = self.amount * self.mu
        scale = 1.0 / np.sqrt((1.0 - self.amount) * self.variances + floor)
        centred = row - self.means[group]
        inside = np.einsum("rd,d->r", self.basis, centred)
        # Outside of the basis, if anything lies there, all directions have the variance of the floor.
        outside = 1.0 / np.sqrt(floor) if self._flat else 0.0
        root: Floats = np.einsum("rd,r->d", self.basis, (scale - outside) * inside) + outside * centred
        return np.square(root)

    def distance_to_onnx(self, row: OnnxValue, group: int) -> OnnxValue:
        """Write :meth:`distances` from one mean: (1, D) -> (1,)."""
        floor = self.amount * self.mu
        weights = 1.0 / ((1.0 - self.amount) * self.variances + floor)
        centred: OnnxValue = row - self.means[group]
        projected = centred @ self.basis.T
        inside = projected * projected
        distance: OnnxValue = (inside * weights).sum(1)
        if not self._flat:
            return distance
        outside = ((centred * centred).sum(1) - inside.sum(1)).op("Max", 0.0)
        return distance + outside / floor

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
        n, groups = len(self.projected), len(self.means)
        moments, gaps = self.moments, self.means[:, None] - self.means
        across = gaps @ self.basis.T
        outside = np.maximum(np.square(gaps).sum(axis=2) - np.square(across).sum(axis=2), 0.0)
        scores, lost = np.empty((n, groups)), np.empty(n, bool)
        for block in blocks(n, max(1, len(self.variances))):
            scores[block], lost[block] = self._left_out(block, moments, across, outside)
        return scores, lost

    @property
    def moments(self) -> Moments:
        """The sums over the clips of the bank."""
        return Moments.of(self.projected, self.group, len(self.projected) * self.variances)

    def _left_out(
        self, block: slice, moments: Moments, across: Floats, outside: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Measure some clips (b,) by the others; means lie ``across`` (groups, groups, r) and ``outside`` apart."""
        n, left, clips, group = len(self.projected), len(self.projected) - 1, self.projected[block], self.group[block]
        size = moments.counts[group]
        scale, downdate = n / left, size / ((size - 1) * left)
        norms = np.square(clips).sum(axis=1)
        spread = np.square(clips) @ self.variances
        whole = scale**2 * np.square(self.variances).sum()
        square = whole - 2 * scale * downdate * spread + downdate**2 * norms**2
        trace = scale * self.variances.sum() - downdate * norms
        fourth = self._fourths_left_out(clips, group, norms, moments)
        amount, mu = shrinkage_of(self.shrinkage, left, self.means.shape[1], trace, square, fourth)
        inverse = 1.0 / ((1.0 - amount)[:, None] * scale * self.variances + (amount * mu)[:, None])
        q = (np.square(clips) * inverse).sum(axis=1)
        remaining = 1.0 - (1.0 - amount) * downdate * q
        lost = (square < CANCELLED * whole) | (remaining < CANCELLED) | self.few_fourths(fourth, moments)
        remaining[lost] = 1.0
        gain, floor = (1.0 - amount) * downdate / remaining, np.where(lost, 1.0, amount * mu)
        scores = np.empty((len(clips), len(self.means)))
        scores[np.arange(len(clips)), group] = (size / (size - 1)) ** 2 * q / remaining
        for g in range(len(self.means)):
            # From the mean of another group it is v' A^-1 v + gain (v' A^-1 x_i)^2.
            others = np.flatnonzero(group != g)
            offset = clips[others] + across[group[others], g]
            cross = (offset * inverse[others] * clips[others]).sum(axis=1)
            scores[others, g] = (np.square(offset) * inverse[others]).sum(axis=1) + gain[others] * np.square(cross)
            if self._flat:
                scores[others, g] += outside[group[others], g] / floor[others]
        return scores, lost

    def few_fourths(self, fourth: Floats, moments: Moments) -> NDArray[np.bool_]:
        """Whether a sum of |x|^4, which the shrinkage may need, is so small a share of all that its digits are lost."""
        few = fourth < CANCELLED * moments.fourths.sum()
        return np.asarray(few if self.shrinkage == "ledoit_wolf" else np.zeros_like(few))

    @staticmethod
    def _fourths_left_out(clips: Floats, group: NDArray[np.intp], norms: Floats, moments: Moments) -> Floats:
        """Return the sum of |x_k|^4 over the other clips for each clip left out: its group's mean moves."""
        sums = np.full(len(clips), moments.fourths.sum()) - moments.fourths[group]
        size = moments.counts[group]
        for g in np.unique(group):
            own = group == g
            sums[own] += moments.shifted(int(g), clips[own] / (size[own] - 1)[:, None])
        # The clip itself went with the others: it lies m / (m - 1) x_i from their mean.
        return np.asarray(sums - np.square(norms * (size / (size - 1)) ** 2))


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
    cut = list(blocks(*rows.shape))
    if all((rows[block] == first[group[block]]).all() for block in cut):
        raise DataError(
            f"all {len(rows)} train normals have the same features{' in each domain' if len(first) > 1 else ''}, "
            "so no direction has a spread"
        )
    means = np.array([rows[group == g].mean(axis=0) for g in range(len(first))])
    centred = np.empty(rows.shape)
    for block in cut:
        np.subtract(rows[block], means[group[block]], out=centred[block])
    singular, basis = _singular(centred)
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


def _singular(rows: Floats) -> tuple[Floats, Floats]:
    """Return the singular values and right singular vectors of rows; the left ones, as large as the rows, are spared.

    LAPACK itself takes the triangle of so many rows first, so the bits are those of its own decomposition.
    """
    tall = len(rows) >= 2 * rows.shape[1]
    _, singular, basis = np.linalg.svd(np.linalg.qr(rows, mode="r") if tall else rows, full_matrices=False)
    return singular, basis


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
