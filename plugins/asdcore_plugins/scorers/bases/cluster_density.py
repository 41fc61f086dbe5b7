"""The base of scorers by the density of a train clip's own cluster; the cluster ends before the first far neighbour.

The ratio of one neighbour's distance to the next one's is small if the next lies outside the cluster. The first of
the ratios r_k = d_k / d_(k+1), averaged in pairs, below their ``quantile`` over the whole bank ends the neighbourhood.
If there is none, it ends two neighbours before the last of k. It has at least two neighbours, if there are two. After
Cluster-Exit Detection (Interspeech 2026).

A clip that is left out takes its own ratios from the quantile. At each clip that had it as a neighbour, three ratios go
and three come. So the quantile of a bank without it lies among the few values around its old place.

With ``without``, the clips that a clip must not rest on are not among its neighbours, and so not in its ratios and its
cluster. For a bank that lacks a set of clips all ratios are computed again.

A cluster ends within the nearer half of a small bank, or of a small domain if neighbours are of the same one. At the
edge gaps are wide, so that clusters would end there in a bank of hardly more than k clips, and elsewhere if some are
left out: of 70 normals, with k = 64 and 9 left out with each, 45 % of new normals lay above the 0.8 quantile of the
out-of-fold scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from asdcore import REFERENCES
from asdcore_plugins.scorers.bases.local_density import LocalDensity
from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.distributions.quantiles import ChangedQuantile, exact_quantile
from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.parameters import fraction, whole

FEWEST = 3
"""Neighbours among which a cluster can end, at least: so many have one ratio averaged in pairs."""


class ClusterScorer(LocalDensity):
    """A scorer by the density of the train normals' own clusters. A subclass sets ``name``.

    Parameters
    ----------
    k
        Neighbours among which a cluster can end, at least 3; half of the other clips that may be neighbours if that is
        less.
    quantile
        Share of ratios that are small enough to end a cluster, 0 to 1.
    among
        Whose clips are neighbours: all ("pooled"), or those of the same domain ("domain").
    metric
        "cosine" or "euclidean".
    references
        The references to score against: some of "pooled", "source", "target".
    """

    name: str

    def __init__(
        self,
        k: int = 64,
        quantile: float = 0.04,
        among: str = "pooled",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._quantile = fraction("quantile", quantile)
        super().__init__(self.name, whole("k", k, least=FEWEST), among, metric, references)

    def _density(self, near: Neighbours, counted: Flags, target: Flags) -> ClusterDensity:
        return ClusterDensity(near, counted, self._quantile, target if self._among == "domain" else None)


class ClusterDensity:
    """Mean distance of every train clip to its nearest others within its own cluster.

    Parameters
    ----------
    near
        The neighbours of every clip.
    counted
        (n,) clips whose ratios count for the quantile.
    quantile
        Share of ratios that are small enough to end a cluster.
    target
        (n,) clips of the target domain, if those of a domain are neighbours of no others.
    """

    def __init__(self, near: Neighbours, counted: Flags, quantile: float, target: Flags | None = None) -> None:
        # With the neighbour that steps in: one ratio more than counts.
        self._distance, ratio = near.distance, smoothed(near.distance)
        there = np.isfinite(near.distance)
        self._count = there.sum(axis=1)
        self._sums = np.cumsum(np.where(there, near.distance, 0.0), axis=1)
        self._sums[~there[:, 0]] = np.nan
        self._group = np.zeros(len(counted), np.intp) if target is None else target.astype(np.intp)
        self._usual_limit = self._limit(counted)
        ratio[_beyond(self._usual_limit, ratio.shape[1]) & (self._usual_limit < self._most)[:, None]] = np.inf
        used = np.isfinite(ratio[:, :-1]) & counted[:, None]
        self._bound, self._quantile, self._counted = ChangedQuantile(ratio[:, :-1][used], quantile), quantile, counted
        rank = np.full(used.shape, -1)
        rank[used] = self._bound.ranks
        # Framed, so that what lies two places before a neighbour and one after it is always there.
        self._ratio = np.pad(ratio, ((0, 0), (2, 1)), constant_values=np.inf)
        self._rank = np.pad(rank, ((0, 0), (2, 2)), constant_values=-1)

    def of(self, banks: Banks) -> Floats:
        """Return rho (b, n) in every bank; nan for clips without others, arbitrary for the missing clip."""
        is_small = np.where(banks.missing >= 0, self._is_small[banks.missing], self._is_small.all())
        if is_small.all():
            return self._one_by_one(banks)
        if not is_small.any():
            return self._at_once(banks)
        rho = np.empty((len(is_small), len(self._count)))
        rho[is_small] = self._one_by_one(banks.chosen(is_small))
        rho[~is_small] = self._at_once(banks.chosen(~is_small))
        return rho

    def _at_once(self, banks: Banks) -> Floats:
        """Return rho (b, n) in banks that lack no clip of a small group: only near a loss something changes."""
        meeting = self._meeting(banks)
        bounds = self._bounds(banks, meeting)
        usual, count = self._ratio[:, 2:-2], np.minimum(self._count, self._usual_limit)
        # Most clusters end at the same place whichever of the bounds is taken.
        sizes = np.tile(cluster_sizes(usual, bounds.max(), count), (len(bounds), 1))
        moves = np.flatnonzero(sizes[0] != cluster_sizes(usual, bounds.min(), count))
        sizes[:, moves] = cluster_sizes(usual[moves], bounds[:, None, None], count[moves])
        rho = self._sums[np.arange(len(count)), sizes - 1] / sizes
        # Who loses a neighbour well behind the end of its cluster keeps it.
        lost = np.flatnonzero(sizes[banks.bank, banks.row] > banks.column - 2)
        bank, row = banks.bank[lost], banks.row[lost]
        rho[bank, row] = self._with_a_loss(row, banks.column[lost], meeting[lost], bounds[bank])
        return np.asarray(rho)

    def without(self, banks: BanksWithout) -> Floats:
        """Return rho (b, n) in every bank that lacks a set of clips; nan for clips without others."""
        return self._one_by_one(banks)

    def _one_by_one(self, banks: Banks | BanksWithout) -> Floats:
        """Return rho (b, n), each bank by itself."""
        distances, counted = banks.distances(), banks.among(self._counted)
        ends = np.searchsorted(banks.bank, np.arange(len(counted) + 1))
        return np.stack(
            [
                self._of_bank(banks.row[start:end], distances[start:end], counted[bank])
                for bank, (start, end) in enumerate(pairwise(ends))
            ]
        )

    def _of_bank(self, lost: Indices, distances: Floats, counted: Flags) -> Floats:
        """Return rho (n,) in a bank in which the clips ``lost`` (p,) have these neighbours (p, k), others the usual."""
        k, limit = self._most, self._limit(counted)
        there = np.isfinite(distances)
        ratio, sums = self._ratio[:, 2:-2].copy(), self._sums[:, :k].copy()
        count = np.minimum(self._count, k)
        ratio[lost], count[lost] = smoothed(distances), there.sum(axis=1)
        sums[lost] = np.cumsum(np.where(there, distances, 0.0), axis=1)
        ratio[_beyond(limit, ratio.shape[1])] = np.inf
        sizes = cluster_sizes(ratio, exact_quantile(ratio[counted], self._quantile), np.minimum(count, limit))
        return np.where(count > 0, sums[np.arange(len(count)), sizes - 1] / sizes, np.nan)

    @property
    def _most(self) -> int:
        return int(self._distance.shape[1]) - 1

    def _limit(self, counted: Flags, fewer: int = 0) -> Indices:
        """Return among how many neighbours a cluster can end (n,) in a bank of clips (n,): k, or half of the others.

        ``fewer`` says how many more clips of each group are missing.
        """
        others = np.bincount(self._group[counted], minlength=2)[self._group] - 1 - fewer
        return np.clip(others // 2, FEWEST, self._most)

    @cached_property
    def _is_small(self) -> Flags:
        """Whether k is more than half of the others of a clip's group (n,), here or if one is missing."""
        return np.asarray(self._limit(self._counted, 1) < self._most)

    def _meeting(self, banks: Banks) -> Floats:
        """Return the two ratios (p, 2) that meet at the place of a lost neighbour; inf for one that does not count."""
        k, column = self._distance.shape[1] - 1, banks.column[:, None]
        around = np.clip(column + np.array([-2, -1, 1, 2]), 0, k)
        places = column + np.array([-2, -1])
        ratio = smoothed(self._distance[banks.row[:, None], around])
        return np.where((places >= 0) & (places < k - 2), ratio, np.inf)

    def _with_a_loss(self, row: Indices, column: Indices, meeting: Floats, bound: Floats) -> Floats:
        """Return rho (p,) of clips without the neighbour in this column, in a bank with this bound, each (p,)."""
        lost = np.arange(len(row))
        ratio = self._ratio[row]
        ratio[lost, column], ratio[lost, column + 1], ratio[lost, column + 2] = meeting[:, 0], meeting[:, 1], np.inf
        exits = ratio < bound[:, None]
        first = exits.argmax(axis=1)
        count = np.minimum(self._count[row], self._distance.shape[1]) - 1
        sizes = _limited(np.where(exits[lost, first], first - 1 - (first > column + 2), count - 2), count)
        sums = np.where(
            sizes > column, self._sums[row, sizes] - self._distance[row, column], self._sums[row, sizes - 1]
        )
        return np.where(count > 0, sums / sizes, np.nan)

    def _bounds(self, banks: Banks, meeting: Floats) -> Floats:
        """Return the quantile of all ratios in each bank (b,)."""
        k, missing = self._distance.shape[1] - 1, np.flatnonzero(banks.missing >= 0)
        at_losses = self._rank[banks.row[:, None], banks.column[:, None] + np.arange(3)].ravel()
        its_own = self._rank[banks.missing[missing]]
        gone = np.concatenate([at_losses, its_own.ravel()])
        gone_from = np.concatenate([np.repeat(banks.bank, 3), np.repeat(missing, its_own.shape[1])])
        # At a loss, the ratio of the last two neighbours counts now, unless it is one of those that meet.
        last = np.where(banks.column < k - 2, self._ratio[banks.row, -2], np.inf)
        come, come_to = np.column_stack([meeting, last]).ravel(), np.repeat(banks.bank, 3)
        counts, there = gone >= 0, come < np.inf
        return self._bound.after(len(banks.missing), gone[counts], gone_from[counts], come[there], come_to[there])


def _beyond(limit: Indices, columns: int) -> Flags:
    """Return the ratios (n, columns) behind the limits (n,) of neighbours among which a cluster can end."""
    return np.asarray(np.arange(columns) >= limit[:, None] - 2)


def smoothed(distance: Floats) -> Floats:
    """(n, k) distances of neighbours, nearest first -> ratios averaged in pairs (n, k - 2); inf for none."""
    there = np.isfinite(distance)
    nearer, farther = distance[:, :-1], np.where(there[:, 1:], distance[:, 1:], 1.0)
    ratio = np.divide(nearer, farther, out=np.ones_like(farther), where=farther > 0)
    return np.where(there[:, 2:], (ratio[:, :-1] + ratio[:, 1:]) / 2.0, np.inf)


def cluster_sizes(smooth: Floats, bound: Floats | float, count: Indices) -> Indices:
    """Ratios (..., n, k - 2), the bound that ends a cluster and the count of neighbours (n,) -> cluster size (..., n).

    At least 1, even without neighbours.
    """
    exits = smooth < bound
    return _limited(np.where(exits.any(axis=-1), exits.argmax(axis=-1) + 1, count - 2), count)


def _limited(sizes: Indices, count: Indices) -> Indices:
    """Limit sizes to at least two neighbours, and to no more than there are."""
    return np.asarray(np.maximum(np.minimum(np.maximum(sizes, 2), count), 1))
