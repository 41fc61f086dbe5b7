"""Kernel density of a Gaussian around every train normal.

A(x) = -log of the mean over the bank of exp(-d(x, y)^2 / (2 h^2)): up to a constant of the bank, minus the logarithm of
Parzen's density (1962). The bandwidth h is the median distance of a train normal to its nearest other (of those that
are not 0: repeated clips have none), times ``width``. By
``without`` that other is none of the clips that the train normal must not rest on.

Leave-one-out is exact, h included. Time and memory: a distance matrix of n_train^2, then n_train a clip left out or
scored. A bank of more than 5,000 clips is searched for the bandwidth instead; of more than 30,000 clips, products of
features say how far those left out are (:mod:`asdcore_plugins.stats.neighbours.kernel_sums`), n_train^2 * D of them
and as many exponentials as n_train^2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.scorers.bases.distance import references_left, too_few_left
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.parameters import REFERENCES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.neighbours.exact import Banks, Rows
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

MEASURED = 30_000
"""Train normals up to which all distances to one another are measured; of more, products say how far they are."""


class KDE(NeighbourScorer):
    """Minus the log kernel density in each reference; a reference of fewer than 3 train clips is left out.

    width : bandwidth, in medians of the distance to the nearest other; above 0.
    """

    def __init__(self, width: float = 1.0, metric: str = "euclidean", references: Sequence[str] = REFERENCES) -> None:
        if not isinstance(width, int | float) or isinstance(width, bool) or not 0 < width < float("inf"):
            raise ValueError(f"width must be a number above 0, got {width!r}")
        self._width = float(width)
        super().__init__("kde", metric, references, fewest=3)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        return {
            name: _surprise(np.take(distances, members, axis=1) / self._bandwidth[name])
            for name, members in self._members.items()
        }

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each under the density of the others."""
        import numpy as np

        scores = {name: np.empty(self._n) for name in self._members}
        for name, members in self._members.items():
            if isinstance(self._rows, LazyDistances) and self._n > MEASURED:
                scores[name] = self._summed(name, self._rows)
                continue
            near, strangers = self._neighbours[name], np.setdiff1d(np.arange(self._n), members)
            for clips in near.blocks(members):
                row = np.array(self._rows(clips))
                row[np.arange(len(clips)), clips] = np.inf
                scores[name][clips] = _surprise(
                    np.take(row, members, axis=1) / self._bandwidths(name, near.without(clips))[:, None]
                )
            for clips in near.blocks(strangers):
                scores[name][clips] = _surprise(np.take(self._rows(clips), members, axis=1) / self._bandwidth[name])
        return scores

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        import numpy as np

        scores, every = {}, np.arange(self._n)
        for name in references_left(without, self._members, self._fewest - 1, self._name):
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
                scores[name][clips] = _surprise(np.take(row, members, axis=1) / bandwidth[clips, None])
        if not scores:
            raise too_few_left(self._name, self._fewest - 1, self._members)
        return scores

    def _summed(self, name: str, rows: LazyDistances) -> Floats:
        """Score the fitted clips (n_train,) of a large bank, each under the density of the others in a reference."""
        import numpy as np

        near, members = self._neighbours[name], self._members[name]
        strangers = np.setdiff1d(np.arange(self._n), members)
        least, bandwidth = near.distance[:, 0].copy(), np.full(self._n, self._bandwidth[name])
        least[strangers] = rows.nearest(strangers, members, 1)[1][:, 0]
        for clips in near.blocks(members):
            bandwidth[clips] = self._bandwidths(name, near.without(clips))
        others = len(members) - np.isin(np.arange(self._n), members)
        return _summed(rows, members, bandwidth, least, others)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._neighbours, self._bandwidth = {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            near = self._neighbours[name] = self._nearest_others(name, rows, group, 1, self._apart)
            self._bandwidth[name] = float(self._bandwidths(name, near.without(np.array([-1])))[0])
        self._keep({name: some for name, some in self._members.items() if not np.isnan(self._bandwidth[name])})

    def _bandwidths(self, name: str, banks: Banks | BanksWithout) -> Floats:
        """Return h of a reference in each of its banks (b,); nan where no clip has others that it may be compared with.

        Raises DataError where all of them are repeated.
        """
        import numpy as np

        members = self._members[name]
        distance = np.take(banks.nearest_distances(), members, axis=1)
        known = np.take(banks.among(np.ones(self._n, bool)), members, axis=1) & np.isfinite(distance)
        found = medians(distance, known & (distance > 0))
        if np.isnan(found[known.any(axis=1)]).any():
            raise DataError(
                f"kde finds all {known.sum(axis=1).max()} train normals repeated, so they have no bandwidth"
            )
        return self._width * found


def _summed(
    rows: LazyDistances,
    members: Indices,
    bandwidth: Floats,
    least: Floats,
    others: Indices,
    without: Without | None = None,
) -> Floats:
    """Score all clips by their bandwidth, how far the nearest other is, and how many others there are, each (n,)."""
    import numpy as np

    least = least / bandwidth
    sums = rows.kernel_sums(members, bandwidth, least, without)
    return np.asarray(np.square(least) / 2.0 - np.log(sums / others))


def _surprise(distances: Floats) -> Floats:
    """Distances (n, m) in bandwidths -> minus the log of the mean of the kernels (n,), without under- or overflow.

    What is infinitely far is not there.
    """
    import numpy as np

    exponents = np.square(distances) / 2.0
    least = exponents.min(axis=1)
    kernels = np.exp(least[:, None] - exponents).sum(axis=1)
    return np.asarray(least - np.log(kernels / np.isfinite(distances).sum(axis=1)))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``kde``."""
    register("kde", KDE)
