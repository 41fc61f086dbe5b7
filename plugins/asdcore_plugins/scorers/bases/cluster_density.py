"""The base of scorers by the density of a train clip's own cluster; the cluster ends before the first far neighbour.

The ratio of one neighbour's distance to the next one's is small if the next lies outside the cluster. The first of
a clip's ratios r_k = d_k / d_(k+1), averaged in pairs, below the ``quantile`` of all of them ends its neighbourhood. If
there is none, it ends two neighbours before the last of k. It has at least two neighbours, if there are two. After
Cluster-Exit Detection (Interspeech 2026).

With ``without``, the clips that a clip must not rest on are not among its neighbours, and so not in its ratios and its
cluster.

A cluster ends within the nearer half of a small bank, or of a small domain if neighbours are of the same one. At the
edge gaps are wide, so that clusters would end there in a bank of hardly more than k clips, and elsewhere if some are
left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asdcore import REFERENCES
from asdcore_plugins.scorers.bases.local_density import LocalDensity
from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.distributions.quantiles import row_quantiles
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
        Share of a clip's ratios that are small enough to end its cluster, 0 to 1.
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
        The neighbours of every clip, k of them and one more.
    counted
        (n,) clips that count as others.
    quantile
        Share of a clip's ratios that are small enough to end its cluster.
    target
        (n,) clips of the target domain, if those of a domain are neighbours of no others.
    """

    def __init__(self, near: Neighbours, counted: Flags, quantile: float, target: Flags | None = None) -> None:
        self._distance, self._counted, self._quantile = near.distance[:, :-1], counted, quantile
        self._group = np.zeros(len(counted), np.intp) if target is None else target.astype(np.intp)
        self._usual_limit = self._limits(counted[None])[0]
        self._usual = self._means(self._distance, self._usual_limit)

    def of(self, banks: Banks) -> Floats:
        """Return rho (b, n) in every bank; nan for clips without others, arbitrary for the missing clip."""
        return self._filled(banks)

    def without(self, banks: BanksWithout) -> Floats:
        """Return rho (b, n) in every bank that lacks a set of clips; nan for clips without others."""
        return self._filled(banks)

    def _filled(self, banks: Banks | BanksWithout) -> Floats:
        limits, distances = self._limits(banks.among(self._counted)), banks.distances()
        rho = banks.filled(self._usual, self._means(distances, limits[banks.bank, banks.row]))
        # Without some clips the nearer half of a small bank is smaller, and any cluster may end elsewhere.
        for bank in np.flatnonzero((limits != self._usual_limit).any(axis=1)):
            of_bank, lost = self._distance.copy(), banks.bank == bank
            of_bank[banks.row[lost]] = distances[lost]
            rho[bank] = self._means(of_bank, limits[bank])
        return rho

    def _means(self, distance: Floats, limit: Indices) -> Floats:
        """(m, k) distances of neighbours, and among how many a cluster can end (m,) -> mean distances in it (m,)."""
        there = np.isfinite(distance) & (np.arange(distance.shape[1]) < limit[:, None])
        ratio, count = smoothed(np.where(there, distance, np.inf)), there.sum(axis=1)
        sizes = cluster_sizes(ratio, row_quantiles(ratio, self._quantile), count)
        sums = np.cumsum(np.where(there, distance, 0.0), axis=1)
        return np.where(count > 0, sums[np.arange(len(count)), sizes - 1] / sizes, np.nan)

    def _limits(self, counted: Flags) -> Indices:
        """Return among how many neighbours a cluster can end, in banks of clips, both (b, n): k or half the others."""
        of_group = np.stack([counted[:, self._group == group].sum(axis=1) for group in (0, 1)], axis=1)
        return np.asarray(np.clip((of_group[:, self._group] - 1) // 2, FEWEST, self._distance.shape[1]))


def smoothed(distance: Floats) -> Floats:
    """(n, k) distances of neighbours, nearest first -> ratios averaged in pairs (n, k - 2); inf for none."""
    there = np.isfinite(distance)
    nearer, farther = distance[:, :-1], np.where(there[:, 1:], distance[:, 1:], 1.0)
    ratio = np.divide(nearer, farther, out=np.ones_like(farther), where=farther > 0)
    return np.where(there[:, 2:], (ratio[:, :-1] + ratio[:, 1:]) / 2.0, np.inf)


def cluster_sizes(smooth: Floats, bound: Floats, count: Indices) -> Indices:
    """Ratios (n, k - 2), the bound that ends each cluster (n,) and the count of neighbours (n,) -> cluster size (n,).

    At least two neighbours, no more than there are, and at least 1 even without neighbours.
    """
    exits = smooth < bound[:, None]
    sizes = np.where(exits.any(axis=1), exits.argmax(axis=1) + 1, count - 2)
    return np.asarray(np.maximum(np.minimum(np.maximum(sizes, 2), count), 1))
