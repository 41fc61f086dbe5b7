"""Kernel density of a Gaussian around every train normal.

A(x) = -log of the mean over the bank of exp(-d(x, y)^2 / (2 h^2)): up to a constant of the bank, minus the logarithm of
Parzen's density (1962). The bandwidth h is ``width`` times the median distance of a train normal to its nearest other;
distances of 0, which repeated clips have, do not count. With ``without`` that other is not among the clips that the
train normal must not rest on.

A clip's score depends on every train normal, so of a large bank all distances count: twice what the nearest takes to
find, or as long as that where numba is installed (``pip install 'asdcore[compiled]'``). Products in double precision
bound the score, which is given to 34 bits, rounded to odd: a score table rounds it further, to what it would have made
of all its bits (:mod:`asdcore_plugins.stats.to_odd`). Rarely a bound does not suffice, and all distances are measured,
so the score is the same however it was computed. That takes six times what the nearest takes, by the cosine twenty
times.

Leave-one-out is exact, h included. Time and memory: a distance matrix of n_train^2, then n_train for a clip left out or
scored. A bank of more than 5,000 clips is searched for the bandwidth instead; of more than 30,000 clips, products of
features say how far those left out are (:mod:`asdcore_plugins.stats.neighbours.kernel_sums`), n_train^2 * D of them
and as many exponentials as n_train^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.scorers.bases.references import references_left, too_few_left
from asdcore_plugins.stats.arrays import DistanceRows, Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat
from asdcore_plugins.stats.learned import LEARNED, Stored
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.exact import Banks
from asdcore_plugins.stats.neighbours.kernel_means import KernelMeans, log_means
from asdcore_plugins.stats.neighbours.lazy_distances import MEASURED, LazyDistances
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import log_sum_exp
from asdcore_plugins.stats.parameters import between
from asdcore_plugins.stats.to_odd import to_odd


class KDE(NeighbourScorer):
    """Minus the log kernel density in each reference.

    A reference of fewer than 3 train clips is left out.

    Parameters
    ----------
    width
        Bandwidth, in medians of the distance to the nearest other; above 0.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.

    Raises
    ------
    ValueError
        If ``width`` is not positive, or a metric or reference is unknown.

    References
    ----------
    E. Parzen, "On Estimation of a Probability Density Function and Mode", Annals of Mathematical Statistics 33, 1962.

    Examples
    --------
    The distance to the nearest other is 1 for each train clip, so the bandwidth is 1:

    >>> import numpy as np
    >>> train = np.arange(4, dtype=np.float32)[:, None]
    >>> scorer = KDE().fit(train, np.full(4, "source"))
    >>> scorer.score(np.array([[1.0], [6.0]], np.float32))["pooled"].round(3).tolist()
    [0.533, 5.856]
    """

    _bandwidth: Annotated[Mapping[str, float], LEARNED]
    _kernels: KernelMeans | None = None

    def __init__(self, width: float = 1.0, metric: str = "euclidean", references: Sequence[str] = REFERENCES) -> None:
        self._width = between("width", width, 0, math.inf)
        super().__init__("kde", metric, references, fewest=3)

    def _searched(self, bank: NearestRows, features: Floats32) -> Mapping[str, Floats]:
        assert self._bank is not None
        if self._kernels is None:
            self._kernels = KernelMeans(flat(self._bank), self.metric, self._members, self._bandwidth)
        return self._kernels.of(flat(features))

    def _begin(self, rows: DistanceRows, domain: NDArray[np.str_], apart: Without | None) -> None:
        self._kernels = None
        super()._begin(rows, domain, apart)

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        self._kernels = None

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        return {
            name: to_odd(log_means(np.take(distances, members, axis=1) / self._bandwidth[name]))
            for name, members in self._members.items()
        }

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        self._check_fitted()
        scores = {}
        for name, members in self._members.items():
            apart = distances.take(members, axis=1).reshape(-1) / self._bandwidth[name]
            scores[name] = math.log(len(members)) - log_sum_exp(apart * apart * -0.5)
        return scores

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each under the density of the others."""
        scores = {name: np.empty(self._n) for name in self._members}
        for name, members in self._members.items():
            if isinstance(self._rows, LazyDistances) and self._n > MEASURED:
                scores[name] = self._summed(name, self._rows)
                continue
            near, strangers = self._neighbours[name], np.setdiff1d(np.arange(self._n), members)
            for clips in near.blocks(members):
                row = np.array(self._rows(clips))
                row[np.arange(len(clips)), clips] = np.inf
                scores[name][clips] = log_means(
                    np.take(row, members, axis=1) / self._bandwidths(name, near.without(clips))[:, None]
                )
            for clips in near.blocks(strangers):
                scores[name][clips] = log_means(np.take(self._rows(clips), members, axis=1) / self._bandwidth[name])
        return scores

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        scores, every = {}, np.arange(self._n)
        for name in references_left(without, self._members, self._fewest - 1, self.name):
            lists, members = self._neighbours_without(name, without), self._members[name]
            bandwidth = np.concatenate([self._bandwidths(name, banks) for banks in lists.blocks()])[without.of]
            if np.isnan(bandwidth).any():
                continue
            if isinstance(self._rows, LazyDistances) and self._n > MEASURED:
                least = self._rows.nearest(every, members, 1, without)[1][:, 0]
                others = len(members) - without.count(members)[without.of]
                scores[name] = _summed(self._rows, members, bandwidth, least, others, without)
                continue
            scores[name] = np.empty(self._n)
            for clips in self._neighbours[name].blocks(every):
                row = np.array(self._rows(clips))
                row[without.mask(clips)] = np.inf
                scores[name][clips] = log_means(np.take(row, members, axis=1) / bandwidth[clips, None])
        if not scores:
            raise too_few_left(self.name, self._fewest - 1, self._members)
        return scores

    def _summed(self, name: str, rows: LazyDistances) -> Floats:
        """Score the fitted clips (n_train,) of a large bank, each under the density of the others in a reference."""
        near, members = self._neighbours[name], self._members[name]
        strangers = np.setdiff1d(np.arange(self._n), members)
        least, bandwidth = near.distance[:, 0].copy(), np.full(self._n, self._bandwidth[name])
        least[strangers] = rows.nearest(strangers, members, 1)[1][:, 0]
        for clips in near.blocks(members):
            bandwidth[clips] = self._bandwidths(name, near.without(clips))
        others = len(members) - np.isin(np.arange(self._n), members)
        return _summed(rows, members, bandwidth, least, others)

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        self._neighbours, bandwidth = {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            near = self._neighbours[name] = self._nearest_others(name, rows, group, 1, self._apart)
            bandwidth[name] = float(self._bandwidths(name, near.without(np.array([-1])))[0])
        self._keep({name: clips for name, clips in self._members.items() if not np.isnan(bandwidth[name])})
        self._bandwidth = {name: bandwidth[name] for name in self._members}

    def _bandwidths(self, name: str, banks: Banks | BanksWithout) -> Floats:
        """Return h of a reference in each of its banks (b,); nan if no clip has others that it may be compared with.

        Raises DataError if all train normals are copies of one another.
        """
        members = self._members[name]
        distance = np.take(banks.nearest_distances(), members, axis=1)
        counted = np.take(banks.among(np.ones(self._n, bool)), members, axis=1) & np.isfinite(distance)
        middle = medians(distance, counted & (distance > 0))
        if np.isnan(middle[counted.any(axis=1)]).any():
            raise DataError(
                f"kde finds all {counted.sum(axis=1).max()} train normals repeated, so they have no bandwidth"
            )
        return self._width * middle


def _summed(
    rows: LazyDistances,
    members: Indices,
    bandwidth: Floats,
    least: Floats,
    others: Indices,
    without: Without | None = None,
) -> Floats:
    """Score all clips by their bandwidth, the distance to the nearest other and the number of others, each (n,)."""
    least = least / bandwidth
    sums = rows.kernel_sums(members, bandwidth, least, without)
    return np.asarray(np.square(least) / 2.0 - np.log(sums / others))
