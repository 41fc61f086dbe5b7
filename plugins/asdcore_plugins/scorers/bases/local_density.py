"""The base of scorers that judge distances by how dense the bank is around each train normal.

Where normal clips lie close together a small distance says much, where they are sparse little. Every scorer of this
family is min_y (d(x, y) / scale(y) - offset(y)) over a bank: scale and offset follow from rho(y), a mean distance of a
train normal to its nearest others, and from what all train normals have in common.

Of clips of a domain that are the same one stands for all: among repetitions the density would be infinite, and a score
over it, or less it, would say how often a clip was recorded.

Leave-one-out is exact: without clip i, clips that had it among their neighbours get the next one instead, and
everything that rests on neighbours (densities, their median, fitted slopes) is made anew from what is left.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from asdcore import DataError
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances, find_neighbours
from asdcore_plugins.stats.neighbours.repeated_clips import Places, places, some_repeated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours, Rows
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Flags = NDArray[np.bool_]

FLOOR = 1e-6
"""What is added to a density's distance, as a share of the median one: repeated clips have none of their own."""

AMONG = ("pooled", "domain")


class Density(Protocol):
    """The mean distance rho of every train clip to its nearest others."""

    def without(self, banks: BanksWithout) -> Floats:
        """Return rho (b, n) in every bank that lacks a set of clips; nan for clips without others."""
        ...

    def of(self, banks: Banks) -> Floats:
        """Return rho (b, n) in every bank; nan for clips without others, of no meaning for the missing one."""
        ...


class MeanDensity:
    """The mean, or sum, of the distances to the neighbours there are, with ``weights`` (n, k)."""

    def __init__(self, near: Neighbours, weights: Floats, *, total: bool = False) -> None:
        self._weights, self._total = weights, total
        self._usual = weighted(near.distance[:, :-1], weights, total=total)

    def of(self, banks: Banks) -> Floats:
        """Return rho (b, n) in every bank."""
        return self._filled(banks)

    def without(self, banks: BanksWithout) -> Floats:
        """Return rho (b, n) in every bank that lacks a set of clips."""
        return self._filled(banks)

    def _filled(self, banks: Banks | BanksWithout) -> Floats:
        return banks.filled(self._usual, weighted(banks.distances(), self._weights[banks.row], total=self._total))


def weighted(distance: Floats, weights: Floats, *, total: bool = False) -> Floats:
    """(n, k) distances and weights -> (n,) weighted mean, or sum, over the neighbours there are; nan without any."""
    import numpy as np

    there = np.isfinite(distance)
    sums = (np.where(there, distance, 0.0) * weights).sum(axis=1)
    mass = np.ones(len(sums)) if total else np.where(there, weights, 0.0).sum(axis=1)
    return np.asarray(np.divide(sums, mass, out=np.full(len(sums), np.nan), where=there.any(axis=1)))


def floor(rho: Floats, known: Flags, name: str) -> Floats:
    """(b, n) -> (b, 1), a share of the median positive rho among the clips that each bank knows (b, n)."""
    middle = medians(rho, known & (rho > 0))[:, None]
    if not (middle > 0)[known.any(axis=1)].all():
        raise DataError(
            f"{name} finds all {known.sum(axis=1).max()} train normals repeated, so no distance between "
            "them is positive"
        )
    return FLOOR * middle


class LocalDensity(NeighbourScorer):
    """min_y (d(x, y) / scale(y) - offset(y)) over each reference; what scale and offset are, a subclass says.

    among : whose clips make up the neighbourhood of a train clip: all ("pooled"), or those of its domain ("domain").
        A clip needs two others there, of which one is left when the other is left out: so a reference with fewer than
        3 train normals, and for "domain" a domain with fewer, is left out.
    """

    def __init__(self, name: str, k: int, among: str, metric: str, references: Sequence[str]) -> None:
        if among not in AMONG:
            raise ValueError(f"among must be one of {', '.join(AMONG)}, got {among!r}")
        super().__init__(name, metric, references, fewest=3)
        self._most, self._among = k, among

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        judged = distances / self._scale - self._offset
        return {name: np.take(judged, members, axis=1).min(axis=1) for name, members in self._members.items()}

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each by the densities the others have without it."""
        import numpy as np

        scores = {name: np.empty(self._n) for name in self._members}
        # A clip that others are the same as leaves the bank as it is.
        missing = np.where(np.isin(np.arange(self._n), self._places.alone), np.arange(self._n), -1)
        for clips in self._neighbours.blocks(np.arange(self._n)):
            scale, offset = self._judge(self._neighbours.without(missing[clips]))
            known, lack = np.ones((len(clips), self._n), bool), np.flatnonzero(missing[clips] >= 0)
            known[lack, clips[lack]] = False
            for name, least in self._least(clips, scale, offset, known).items():
                scores[name][clips] = least
        return scores

    @abstractmethod
    def _density(self, near: Neighbours, known: Flags, target: Flags) -> Density:
        """Return the density of clips with these neighbours: ``known`` have any, ``target`` are of that domain (n,)."""

    @abstractmethod
    def _terms(self, rho: Floats, known: Flags, banks: Banks | BanksWithout) -> tuple[Floats | float, Floats | float]:
        """Densities in every bank (b, n), and which clips it knows -> (scale, offset), (b, n) or one for all."""

    def _left_out_without(self, without: Without) -> dict[str, Floats]:
        import numpy as np

        without = self._places.reduced(without)
        scores = {name: np.empty(self._n) for name in self._members}
        fewest = dict.fromkeys(self._members, self._n)
        for banks in self._neighbours_without("all", without).blocks():
            known = banks.among(self._known)
            scale, offset = (
                np.broadcast_to(one, known.shape) for one in self._terms(self._rho.without(banks), known, banks)
            )
            for name, members in self._members.items():
                fewest[name] = min(fewest[name], int(np.take(known, members, axis=1).sum(axis=1).min()))
            for clips, of in banks.clips():
                least = self._least(clips, scale[of], offset[of], known[of])
                for name in least:
                    scores[name][clips] = least[name]
        return self._kept(scores, fewest)

    def _least(
        self, clips: Indices, scale: Floats | float, offset: Floats | float, known: Flags
    ) -> Mapping[str, Floats]:
        """Judge the distances of some clips (b,) to those they know, by the scale and offset of each, (b, n_train)."""
        import numpy as np

        if isinstance(self._rows, LazyDistances):
            return self._rows.least(clips, scale, offset, self._members, known)
        judged = self._rows(clips) / scale - offset
        judged[~known] = np.inf
        return {name: np.take(judged, members, axis=1).min(axis=1) for name, members in self._members.items()}

    def _judge(self, banks: Banks) -> tuple[Floats | float, Floats | float]:
        return self._terms(self._rho.of(banks), banks.among(self._known), banks)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        group = self._group(domain)
        near = self._nearest_others("all", rows, group, self._most, None)
        self._places = self._repeated(rows, near, domain)
        first = self._places.of(group)
        if (first != group).any() or self._apart is not None:
            apart = None if self._apart is None else self._places.reduced(self._apart)
            near = self._nearest_others("all", rows, first, self._most, apart)
        self._neighbours = near
        self._known = (np.bincount(first + 1, minlength=3)[first + 1] > 2) & (first >= 0)
        if (first != group).any() or self._apart is not None:
            self._known &= np.isfinite(near.distance[:, 0])
            self._keep({name: members[self._known[members]] for name, members in self._members.items()})
        self._rho = self._density(self._neighbours, self._known, domain == "target")
        self._scale, self._offset = self._judge(self._neighbours.without(np.array([-1])))

    def _repeated(self, rows: Rows, near: Neighbours, domain: NDArray[np.str_]) -> Places:
        """Say which clips are the same as others of their domain."""
        import numpy as np

        group = (domain == "target").astype(np.intp)
        if not some_repeated(near):
            return Places(np.arange(len(domain)), np.arange(len(domain)))
        return places(rows, group, find_neighbours(rows, group, 0))

    def _eligible(self, members: Indices, domain: NDArray[np.str_]) -> Indices:
        import numpy as np

        group = self._group(domain)
        return members[np.bincount(group, minlength=2)[group[members]] > 2]

    def _group(self, domain: NDArray[np.str_]) -> Indices:
        import numpy as np

        return (domain == "target").astype(np.intp) if self._among == "domain" else np.zeros(len(domain), np.intp)
