"""Local outlier factor: how much sparser a clip's surroundings are than those of its neighbours.

With N_k(x) the k train normals nearest to x and kdist(y) the distance of y to its k-th nearest other:
reach(x, y) = max(d(x, y), kdist(y)), lrd(x) = 1 / mean of reach over N_k(x), and LOF(x) = mean of lrd(y) over N_k(x),
over lrd(x). Near 1 among normals, larger outside. From Breunig et al., "LOF: Identifying Density-Based Local Outliers"
(SIGMOD 2000); without repeated clips these are the scores of scikit-learn as a novelty detector.

Repeated clips count once, as the paper proposes with its k-distinct-distance: more than k of them would lie infinitely
dense, and whoever is near them would be infinitely odd. A mean reach of less than a hundredth of the median kdist is
taken for that hundredth, so clips that are nearly the same cannot do it either.

By ``without`` no clip that y must not rest on is a neighbour of y, for kdist and lrd alike.

Leave-one-out is exact: without the clip its neighbours have other neighbours, reaches and densities. Time and memory: a
distance matrix of n_train^2, then n_train + k^2 a clip left out, n_train a clip scored. A bank of more than 5,000 clips
is searched instead, once for each reference, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.exact import nearest
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.neighbours.repeated_clips import places
from asdcore_plugins.stats.parameters import REFERENCES, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.neighbours.exact import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Flags = NDArray[np.bool_]

LEAST = 0.01
"""The smallest mean reach that counts, as a share of the median distance to the k-th nearest other."""


class LOF(NeighbourScorer):
    """The local outlier factor in each reference; without unit. A reference of fewer than 3 train clips is left out.

    k : neighbours; where there are fewer, those there are.
    """

    def __init__(self, k: int = 20, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        self._k = whole("k", k)
        super().__init__("lof", metric, references, fewest=3)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        return {name: self._scores(name, distances) for name in self._members}

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each among the others as they are without it."""
        import numpy as np

        scores = {name: np.empty(self._n) for name in self._members}
        for name, found in self._places.items():
            near, strangers = self._neighbours[name], np.setdiff1d(np.arange(self._n), found.alone)
            for clips in near.blocks(found.alone):
                scores[name][clips] = self._alone(name, clips)
            # A clip whose place others share leaves the places as they are.
            if isinstance(self._rows, LazyDistances):
                k = min(self._k, len(found.clips))
                scores[name][strangers] = self._judged(
                    name, *self._rows.nearest(found.other[strangers], found.clips, k)
                )
                continue
            for clips in near.blocks(strangers):
                scores[name][clips] = self._scores(name, self._rows(found.other[clips]))
        return scores

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        import numpy as np

        scores = {name: np.empty(self._n) for name in self._members}
        fewest = dict.fromkeys(scores, self._n)
        for name, found in self._places.items():
            gone = found.reduced(without)
            lists, place = self._neighbours_without(name, gone, indexed=True), found.first == np.arange(self._n)
            usual = _furthest(lists.listed.distance[:, : self._k])
            near = self._near(name, gone)
            for banks in lists.blocks():
                furthest, known = banks.filled(usual, _furthest(banks.distance)), banks.among(place)
                least = self._least(furthest, known)
                fewest[name] = min(fewest[name], int(known.sum(axis=1).min()))
                for clips, of in banks.clips():
                    chosen, distance = self._chosen(name, near, clips, known[of])
                    index, apart = banks.lists(of[:, None], chosen)
                    density = _densities(apart, furthest[of[:, None, None], index], least[of, None])
                    scores[name][clips] = _factors(distance, furthest[of[:, None], chosen], density, least[of])
        return self._kept(scores, fewest)

    def _near(self, name: str, without: Without) -> tuple[Indices, Floats]:
        """Find the nearest of a reference that each clip may rest on: indices, and how far they are, (n_train, k)."""
        import numpy as np

        clips, every = self._places[name].clips, np.arange(self._n)
        if isinstance(self._rows, LazyDistances):
            return self._rows.nearest(every, clips, min(self._k, len(clips)), without)
        parts = []
        for some in self._neighbours[name].blocks(every):
            row = np.array(self._rows(some))
            row[without.mask(some)] = np.inf
            parts.append(nearest(np.take(row, clips, axis=1), self._k))
        index, distance = (np.concatenate(part) for part in zip(*parts, strict=True))
        return clips[index], distance

    def _chosen(self, name: str, near: tuple[Indices, Floats], clips: Indices, known: Flags) -> tuple[Indices, Floats]:
        """Take of the nearest those that some clips know (b, n_train): indices, and how far they are, (b, k)."""
        import numpy as np

        chosen, distance = near[0][clips], near[1][clips]
        there = np.take_along_axis(known, chosen, axis=1) | np.isinf(distance)
        # Seldom: among the nearest is one that has no neighbours left, and the next ones take its place.
        for i in np.flatnonzero(~there.all(axis=1)):
            row = np.where(known[i], self._rows(clips[[i]])[0], np.inf)
            column, distance[[i]] = nearest(row[None, self._places[name].clips], distance.shape[1])
            chosen[i] = self._places[name].clips[column[0]]
        return chosen, distance

    def _scores(self, name: str, distances: Floats) -> Floats:
        """(n_clips, n_train) distances of clips that do not belong to a reference -> (n_clips,)."""
        import numpy as np

        clips = self._places[name].clips
        column, distance = nearest(np.take(distances, clips, axis=1), self._k)
        return self._judged(name, clips[column], distance)

    def _judged(self, name: str, near: Indices, distance: Floats) -> Floats:
        """Score clips (n,) that do not belong to a reference by their nearest in it, and how far these are, (n, k)."""
        furthest, density, least = self._surroundings[name]
        return _factors(distance, furthest[near], density[near], least)

    def _alone(self, name: str, clips: Indices) -> Floats:
        """Score clips (b,) of a reference by the reference without each."""
        import numpy as np

        near, bank = self._neighbours[name], np.arange(len(clips))[:, None]
        banks = near.without(clips)
        furthest = banks.filled(self._surroundings[name][0], _furthest(banks.distances()))
        least = self._least(furthest, banks.among(self._places[name].first == np.arange(self._n)))
        chosen, distance = near.index[clips, :-1], near.distance[clips, :-1]
        # The neighbours' neighbours are the nearest k but the clip, or where it is none of them, but the one after.
        index, apart = near.index[chosen], near.distance[chosen]
        lost = index == clips[:, None, None]
        lost[..., -1] |= ~lost.any(axis=2)
        apart[lost] = np.inf
        density = _densities(apart, furthest[bank[..., None], index], least[:, None])
        return _factors(distance, furthest[bank, chosen], density, least)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._neighbours, self._surroundings, self._places = {}, {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            near = self._nearest_others(name, rows, group, self._k, None)
            found = self._places[name] = places(rows, group, near)
            if self._apart is not None or len(found.clips) < len(members):
                near = self._nearest_others(
                    name, rows, found.of(group), self._k, None if self._apart is None else found.reduced(self._apart)
                )
            index, distance = near.index[:, :-1], near.distance[:, :-1]
            furthest, there = _furthest(distance), (found.of(group) == 0) & np.isfinite(distance[:, 0])
            least = self._least(furthest[None], there[None])[0]
            self._neighbours[name] = near
            self._surroundings[name] = furthest, _densities(distance, furthest[index], least), least
            self._members[name] = found.clips[there[found.clips]]
        self._keep(self._members)

    @staticmethod
    def _least(furthest: Floats, known: Flags) -> Floats:
        """Distances to the k-th nearest other (b, n) of those that each bank knows -> the least reach that counts (b,).

        1 for a bank that knows none.
        """
        import numpy as np

        return np.asarray(np.where(known.any(axis=1), LEAST * medians(furthest, known), 1.0))


def _furthest(distance: Floats) -> Floats:
    """(..., k) distances of the nearest others -> (...) that of the furthest there is."""
    import numpy as np

    return np.asarray(np.where(np.isfinite(distance), distance, 0.0).max(axis=-1))


def _densities(distance: Floats, furthest: Floats, least: Floats) -> Floats:
    """Distances to nearest others, and these others' furthest, (..., k) -> local reachability density (...)."""
    import numpy as np

    there = np.isfinite(distance)
    reach = np.where(there, np.maximum(distance, furthest), 0.0)
    return np.asarray(1.0 / np.maximum(reach.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1), least))


def _factors(distance: Floats, furthest: Floats, density: Floats, least: Floats) -> Floats:
    """LOF (n,) of clips by the distances of their neighbours, these ones' furthest and density, each (n, k)."""
    import numpy as np

    there = np.isfinite(distance)
    count = np.maximum(there.sum(axis=1), 1)
    reach = np.where(there, np.maximum(distance, furthest), 0.0).sum(axis=1) / count
    return np.asarray(np.where(there, density, 0.0).sum(axis=1) / count * np.maximum(reach, least))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``lof``."""
    register("lof", LOF)
