"""A Gaussian (:mod:`asdcore_plugins.stats.gaussians.gaussian`) downdated by sets of clips of its bank.

Without a set S the mean of a group of n_g clips, m_g of them in S, moves by -s_g / (n_g - m_g). Here s_g is the sum of
the centred clips that go. The scatter of all loses U'U: the rows of U are the centred clips of S, and for every group
s_g / sqrt(n_g - m_g). The shrinkage follows from sums over the clips that stay, and the inverse from the identity
of Sherman, Morrison and Woodbury (Woodbury, "Inverting modified matrices", Princeton, 1950): a matrix of the size of S
is factored, not one of the size of the features.

Time: n r + m^2 r + m^3 for a set of m clips, with r directions in which the bank varies. Memory: n^2, as leave-one-out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.gaussians.gaussian import CANCELLED, BankGaussian, shrinkage_of

AT_ONCE = 1 << 19
"""Values of centred clips that go, in sets that are handled together: 4 MiB."""


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
            most, stop = AT_ONCE // max(1, self.gaussian.basis.shape[0]), start + 1
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
        trace, square = self._scatter(gone, removed, downdate, left)
        fourth = self._fourths(gone, moved)
        amount, mu = shrinkage_of(gaussian.shrinkage, left, gaussian.means.shape[1], trace, square, fourth)
        lost = square * np.square(left) < CANCELLED * whole
        amount, floor = np.where(lost, 0.5, amount), np.where(lost, 1.0, amount * mu)
        inverse = 1.0 / (((1.0 - amount) * n / left)[:, None] * gaussian.variances + floor[:, None])
        inside, outside = self._offsets(queries, moved)
        distances = self._inverted(downdate, inverse, (1.0 - amount) / left, inside, lost)
        if len(gaussian.variances) < gaussian.means.shape[1]:
            distances += outside / floor[:, None]
        distances = distances.reshape(len(gone), queries.shape[1], len(groups))
        return np.where(fewer[:, None] > 0, distances, np.inf), lost

    def _scatter(self, gone: Indices, removed: Floats, downdate: Floats, left: Indices) -> tuple[Floats, Floats]:
        """Return trace and squared norm of the covariance (b,) of the clips that stay."""
        n, variances, m = len(self.gaussian.group), self.gaussian.variances, gone.shape[1]
        sizes = np.square(downdate).sum(axis=1)
        products = np.square(self._gram[gone[:, :, None], gone[:, None, :]]).sum(axis=(1, 2))
        extra = downdate[:, m:]
        products += 2.0 * np.square(removed @ extra.transpose(0, 2, 1)).sum(axis=(1, 2))
        products += np.square(extra @ extra.transpose(0, 2, 1)).sum(axis=(1, 2))
        square = np.square(n * variances).sum() - 2.0 * n * (sizes @ variances) + products
        return (n * variances.sum() - sizes.sum(axis=1)) / left, square / np.square(left)

    def _fourths(self, gone: Indices, moved: Floats) -> Floats:
        """Return the sum of |x|^4 over the clips that stay, about the means that have moved by (b, groups, r)."""
        gaussian, sums = self.gaussian, np.zeros(len(gone))
        stays = np.ones((len(gone), len(gaussian.group) + 1), bool)
        np.put_along_axis(stays, gone, False, axis=1)
        for g in range(len(gaussian.means)):
            members = np.flatnonzero(gaussian.group == g)
            lengths = self._norms[members] - 2.0 * moved[:, g] @ gaussian.projected[members].T
            lengths += np.square(moved[:, g]).sum(axis=1, keepdims=True)
            sums += (np.square(lengths) * stays[:, members]).sum(axis=1)
        return sums

    def _offsets(self, queries: Indices, moved: Floats) -> tuple[Floats, Floats]:
        """Return rows less the moved means, in the bank's directions (b, q * groups, r), and squared outside them."""
        inside = self._projected[queries] - moved[:, None]
        outside = self._outside[queries]
        b, q, groups = outside.shape
        flat: tuple[Floats, Floats] = inside.reshape(b, q * groups, -1), outside.reshape(b, q * groups)
        return flat

    @staticmethod
    def _inverted(downdate: Floats, inverse: Floats, scale: Floats, inside: Floats, lost: Flags) -> Floats:
        """Return v'(diag(1 / inverse) - scale U'U)^-1 v for the rows v (b, q, r): (b, q). Marks lost sets."""
        weighted = downdate * inverse[:, None]
        core: Floats = np.eye(downdate.shape[1]) - scale[:, None, None] * (weighted @ downdate.transpose(0, 2, 1))
        core[lost] = np.eye(downdate.shape[1])
        factor = _factored(core, lost)
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
    def _gram(self) -> Floats:
        gram: Floats = self._centred @ self._centred.T
        return gram

    @cached_property
    def _norms(self) -> Floats:
        return np.asarray(np.square(self.gaussian.projected).sum(axis=1))

    @cached_property
    def _projected(self) -> Floats:
        """The rows less every mean, in the bank's directions: (n_rows, groups, r)."""
        return np.stack([(self.rows - mean) @ self.gaussian.basis.T for mean in self.gaussian.means], axis=1)

    @cached_property
    def _outside(self) -> Floats:
        """The squared length of the rows less every mean outside the bank's directions: (n_rows, groups)."""
        lengths = np.stack([np.square(self.rows - mean).sum(axis=1) for mean in self.gaussian.means], axis=1)
        return np.asarray(np.maximum(lengths - np.square(self._projected).sum(axis=2), 0.0))


def _padded(arrays: Sequence[Indices], value: int) -> Indices:
    """Pad arrays (m,) of different lengths to rows (b, most) with a value; at least one column."""
    padded = np.full((len(arrays), max(1, max(len(array) for array in arrays))), value)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def _factored(core: NDArray[np.floating], lost: Flags) -> NDArray[np.floating]:
    """Return the Cholesky factors (b, m, m). A matrix without digits left counts as lost, with the unit factor."""
    try:
        factor = np.linalg.cholesky(core)
    except np.linalg.LinAlgError:
        factor = np.tile(np.eye(core.shape[1]), (len(core), 1, 1))
        for i, matrix in enumerate(core):
            try:
                factor[i] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                lost[i] = True
    weak = np.square(np.diagonal(factor, axis1=1, axis2=2)).min(axis=1) < CANCELLED
    lost |= weak
    factor[weak] = np.eye(core.shape[1])
    return factor
