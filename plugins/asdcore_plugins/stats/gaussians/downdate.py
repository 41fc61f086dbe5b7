"""A Gaussian (:mod:`asdcore_plugins.stats.gaussians.gaussian`) downdated by sets of clips of its bank.

Without a set S the mean of a group of n_g clips, m_g of them in S, moves by -s_g / (n_g - m_g). Here s_g is the sum of
the centred clips that go. The scatter of all loses U'U: the rows of U are the centred clips of S, and for every group
s_g / sqrt(n_g - m_g). The shrinkage follows from sums over the clips that stay, and the inverse from the identity
of Sherman, Morrison and Woodbury (Woodbury, "Inverting modified matrices", Princeton, 1950): a matrix of the size of S
is factored, not one of the size of the features.

Time: m^2 r + m^3 for a set of m clips, with r directions in which the bank varies, and r^2 m + r^3 for one of more
clips than directions; then r^2 for each row that is scored. Memory: that of one set, and r^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.gaussians.gaussian import CANCELLED, BankGaussian, shrinkage_of
from asdcore_plugins.stats.gaussians.moments import AT_ONCE, Moments


@dataclass(frozen=True)
class DowndatedGaussian:
    """A Gaussian without some clips of its bank.

    Parameters
    ----------
    gaussian
        The Gaussian of the whole bank.
    rows
        (n_rows, D) rows to score.
    """

    gaussian: BankGaussian
    rows: Floats

    def distances(self, sets: Sequence[Indices], clips: Sequence[Indices]) -> tuple[Floats, Flags]:
        """Score rows without sets of clips of the bank.

        Parameters
        ----------
        sets
            Sets of clips of the bank; each leaves at least one clip.
        clips
            For each set, the rows that are scored without it.

        Returns
        -------
        tuple[Floats, Flags]
            Squared distances (n_rows, groups), and which sets are lost to cancellation. inf for rows of no set, and
            from the mean of a group that has no clip left.
        """
        scores = np.full((len(self.rows), len(self.gaussian.means)), np.inf)
        lost = np.zeros(len(sets), bool)
        for block in self._blocks(sets, clips):
            queries = _padded([clips[i] for i in block], -1)
            gone = _padded([sets[i] for i in block], len(self.gaussian.group))
            distances, lost[block] = self._block(gone, queries)
            there = queries >= 0
            scores[queries[there]] = distances[there]
        return scores, lost

    def _blocks(self, sets: Sequence[Indices], clips: Sequence[Indices]) -> Iterator[Indices]:
        """Yield places of sets of about one size that are handled together."""
        size = np.array([max(len(gone), len(scored)) for gone, scored in zip(sets, clips, strict=True)])
        order, start = np.argsort(size, kind="stable"), 0
        while start < len(order):
            # The last of a block is the largest: as many as fit with it.
            most, stop = AT_ONCE // max(1, self.gaussian.basis.shape[1]), start + 1
            while stop < len(order) and (stop + 1 - start) * (size[order[stop]] + 1) <= most:
                stop += 1
            yield order[start:stop]
            start = stop

    def _block(self, gone: Indices, queries: Indices) -> tuple[Floats, Flags]:
        """Sets (b, m) and rows (b, q), padded with n and -1 -> distances (b, q, groups), and which sets are lost."""
        gaussian, n = self.gaussian, len(self.gaussian.group)
        removed = np.take(self._centred, gone, axis=0)
        groups = np.arange(len(gaussian.means))
        member = np.take(self._group, gone)[:, :, None] == groups
        fewer = np.bincount(gaussian.group) - member.sum(axis=1)
        sums = np.einsum("bmg,bmr->bgr", member.astype(np.float64), removed)
        left = n - (gone < n).sum(axis=1)
        downdate = np.concatenate([removed, sums / np.sqrt(np.maximum(fewer, 1))[:, :, None]], axis=1)
        moved = -sums / np.maximum(fewer, 1)[:, :, None]
        whole = np.square(n * gaussian.variances).sum()
        trace, square = self._scatter(downdate, left)
        fourth = self._fourths(gone, removed, moved)
        amount, mu = shrinkage_of(gaussian.shrinkage, left, gaussian.means.shape[1], trace, square, fourth)
        lost = (square * np.square(left) < CANCELLED * whole) | gaussian.few_fourths(fourth, self._moments)
        amount, floor = np.where(lost, 0.5, amount), np.where(lost, 1.0, amount * mu)
        inverse = 1.0 / (((1.0 - amount) * n / left)[:, None] * gaussian.variances + floor[:, None])
        inside, outside = self._offsets(queries, moved)
        distances = self._inverted(downdate, inverse, (1.0 - amount) / left, inside, lost)
        if len(gaussian.variances) < gaussian.means.shape[1]:
            distances += outside / floor[:, None]
        distances = distances.reshape(len(gone), queries.shape[1], len(groups))
        return np.where(fewer[:, None] > 0, distances, np.inf), lost

    def _scatter(self, downdate: Floats, left: Indices) -> tuple[Floats, Floats]:
        """Return trace and squared norm of the covariance (b,) of the clips that stay."""
        n, variances = len(self.gaussian.group), self.gaussian.variances
        sizes, turned = np.square(downdate).sum(axis=1), downdate.transpose(0, 2, 1)
        smaller = downdate @ turned if downdate.shape[1] <= downdate.shape[2] else turned @ downdate
        products = np.square(smaller).sum(axis=(1, 2))
        square = np.square(n * variances).sum() - 2.0 * n * (sizes @ variances) + products
        return (n * variances.sum() - sizes.sum(axis=1)) / left, square / np.square(left)

    def _fourths(self, gone: Indices, removed: Floats, moved: Floats) -> Floats:
        """Return the sum of |x|^4 over the clips that stay, about the means that have moved by (b, groups, r)."""
        sums = np.zeros(len(gone))
        for g in range(len(self.gaussian.means)):
            sums += self._moments.shifted(g, -moved[:, g])
            lengths = np.square(removed - moved[:, None, g]).sum(axis=2)
            sums -= (np.square(lengths) * (np.take(self._group, gone) == g)).sum(axis=1)
        return sums

    def _offsets(self, queries: Indices, moved: Floats) -> tuple[Floats, Floats]:
        """Return rows less the moved means, in the bank's directions (b, q * groups, r), and squared outside them."""
        gaussian, (b, q) = self.gaussian, queries.shape
        offsets = self.rows[queries][:, :, None] - gaussian.means
        inside = offsets @ gaussian.basis.T
        outside = np.maximum(np.square(offsets).sum(axis=3) - np.square(inside).sum(axis=3), 0.0)
        inside -= moved[:, None]
        return inside.reshape(b, q * len(gaussian.means), -1), outside.reshape(b, -1)

    @staticmethod
    def _inverted(downdate: Floats, inverse: Floats, scale: Floats, inside: Floats, lost: Flags) -> Floats:
        """Return v'(diag(1 / inverse) - scale U'U)^-1 v for the rows v (b, q, r): (b, q). Marks lost sets."""
        if downdate.shape[1] > downdate.shape[2]:
            root = np.sqrt(inverse)[:, None]
            weighted = downdate * root
            factor = _factored(weighted.transpose(0, 2, 1) @ weighted, scale, lost)
            return np.asarray(np.square(np.linalg.solve(factor, (inside * root).transpose(0, 2, 1))).sum(axis=1))
        weighted = downdate * inverse[:, None]
        factor = _factored(weighted @ downdate.transpose(0, 2, 1), scale, lost)
        across = np.linalg.solve(factor, weighted @ inside.transpose(0, 2, 1))
        gained = scale[:, None] * np.square(across).sum(axis=1)
        return np.asarray(np.einsum("bqr,br->bq", np.square(inside), inverse) + gained)

    @cached_property
    def _centred(self) -> Floats:
        """The centred bank, and a clip of zeros after it."""
        return np.pad(self.gaussian.projected, ((0, 1), (0, 0)))

    @cached_property
    def _group(self) -> Indices:
        return np.append(self.gaussian.group, -1)

    @cached_property
    def _moments(self) -> Moments:
        return self.gaussian.moments


def _padded(arrays: Sequence[Indices], value: int) -> Indices:
    """Pad arrays (m,) of different lengths to rows (b, most) with a value; at least one column."""
    padded = np.full((len(arrays), max(1, max(len(array) for array in arrays))), value)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def _factored(taken: Floats, scale: Floats, lost: Flags) -> NDArray[np.floating]:
    """Return the Cholesky factors of 1 - scale taken (b, m, m). One without digits left is lost, with the factor 1."""
    unit = np.eye(taken.shape[1])
    core = unit - scale[:, None, None] * taken
    core[lost] = unit
    try:
        factor = np.linalg.cholesky(core)
    except np.linalg.LinAlgError:
        factor = np.tile(unit, (len(core), 1, 1))
        for i, matrix in enumerate(core):
            try:
                factor[i] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                lost[i] = True
    weak = np.square(np.diagonal(factor, axis1=1, axis2=2)).min(axis=1) < CANCELLED
    lost |= weak
    factor[weak] = unit
    return factor
