"""Local outlier factor: how much sparser a clip's surroundings are than those of its neighbours.

With N_k(x) the k train normals nearest to x and kdist(y) the distance of y to its k-th nearest other:
reach(x, y) = max(d(x, y), kdist(y)), lrd(x) = 1 / (mean of reach over N_k(x) + 1e-10), and
LOF(x) = mean of lrd(y) over N_k(x), over lrd(x). Near 1 among normals, larger outside. From Breunig et al., "LOF:
Identifying Density-Based Local Outliers" (SIGMOD 2000); the small constant, which repeated clips need, is that of
scikit-learn, whose scores as a novelty detector these are.

By ``without`` no clip that y must not rest on is a neighbour of y, for kdist and lrd alike.

Leave-one-out is exact: without the clip its neighbours have other neighbours, reaches and densities. Time and memory: a
distance matrix of n_train^2, then n_train + k^2 a clip left out, n_train a clip scored. A bank of more than 5,000 clips
is searched instead, once for each reference, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, left_with
from asdcore_plugins.stats.neighbour_scorer import NeighbourScorer
from asdcore_plugins.stats.neighbours import nearest
from asdcore_plugins.stats.parameters import whole
from asdcore_plugins.stats.searched import SearchedRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Flags = NDArray[np.bool_]

SMALLEST = 1e-10
"""Added to a mean reach, so that a clip among its repetitions has a density."""


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
        for name, members in self._members.items():
            near, strangers = self._neighbours[name], np.setdiff1d(np.arange(self._n), members)
            for clips in near.blocks(members):
                scores[name][clips] = self._alone(name, clips)
            if isinstance(self._rows, SearchedRows):
                scores[name][strangers] = self._judged(
                    name, *self._rows.nearest(strangers, members, min(self._k, len(members)))
                )
                continue
            for clips in near.blocks(strangers):
                scores[name][clips] = self._scores(name, self._rows(clips))
        return scores

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        import numpy as np

        names = left_with(without, self._members, self._fewest - 1, self._name)
        scores = {name: np.empty(self._n) for name in names}
        fewest = dict.fromkeys(names, self._n)
        for name in names:
            lists, member = self._neighbours_without(name, without, indexed=True), np.zeros(self._n, bool)
            member[self._members[name]] = True
            usual = _furthest(lists.listed.distance[:, : self._k])
            near = self._near(name, without)
            for banks in lists.blocks():
                furthest = banks.filled(usual, _furthest(banks.distance))
                known = banks.among(member)
                fewest[name] = min(fewest[name], int(known.sum(axis=1).min()))
                for clips, of in banks.clips():
                    chosen, distance = self._chosen(name, near, clips, known[of])
                    index, apart = banks.lists(of[:, None], chosen)
                    density = _densities(apart, furthest[of[:, None, None], index])
                    scores[name][clips] = _factors(distance, furthest[of[:, None], chosen], density)
        return self._kept(scores, fewest)

    def _near(self, name: str, without: Without) -> tuple[Indices, Floats]:
        """Find the nearest of a reference that each clip may rest on: indices, and how far they are, (n_train, k)."""
        import numpy as np

        members, every = self._members[name], np.arange(self._n)
        if isinstance(self._rows, SearchedRows):
            return self._rows.nearest(every, members, min(self._k, len(members)), without)
        found = []
        for clips in self._neighbours[name].blocks(every):
            row = np.array(self._rows(clips))
            row[without.mask(clips)] = np.inf
            found.append(nearest(np.take(row, members, axis=1), self._k))
        index, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return members[index], distance

    def _chosen(self, name: str, near: tuple[Indices, Floats], clips: Indices, known: Flags) -> tuple[Indices, Floats]:
        """Take of the nearest those that some clips know (b, n_train): indices, and how far they are, (b, k)."""
        import numpy as np

        chosen, distance = near[0][clips], near[1][clips]
        there = np.take_along_axis(known, chosen, axis=1) | np.isinf(distance)
        # Seldom: among the nearest is one that has no neighbours left, and the next ones take its place.
        for i in np.flatnonzero(~there.all(axis=1)):
            row = np.where(known[i], self._rows(clips[[i]])[0], np.inf)
            column, distance[[i]] = nearest(row[None, self._members[name]], distance.shape[1])
            chosen[i] = self._members[name][column[0]]
        return chosen, distance

    def _scores(self, name: str, distances: Floats) -> Floats:
        """(n_clips, n_train) distances of clips that do not belong to a reference -> (n_clips,)."""
        import numpy as np

        column, distance = nearest(np.take(distances, self._members[name], axis=1), self._k)
        return self._judged(name, self._members[name][column], distance)

    def _judged(self, name: str, near: Indices, distance: Floats) -> Floats:
        """Score clips (n,) that do not belong to a reference by their nearest in it, and how far these are, (n, k)."""
        furthest, density = self._surroundings[name]
        return _factors(distance, furthest[near], density[near])

    def _alone(self, name: str, clips: Indices) -> Floats:
        """Score clips (b,) of a reference by the reference without each."""
        import numpy as np

        near, bank = self._neighbours[name], np.arange(len(clips))[:, None]
        banks = near.without(clips)
        furthest = banks.filled(self._surroundings[name][0], _furthest(banks.distances()))
        chosen, distance = near.index[clips, :-1], near.distance[clips, :-1]
        # The neighbours' neighbours are the nearest k but the clip, or where it is none of them, but the one after.
        index, apart = near.index[chosen], near.distance[chosen]
        lost = index == clips[:, None, None]
        lost[..., -1] |= ~lost.any(axis=2)
        apart[lost] = np.inf
        density = _densities(apart, furthest[bank[..., None], index])
        return _factors(distance, furthest[bank, chosen], density)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        self._neighbours, self._surroundings = {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            near = self._nearest_others(name, rows, group, self._k)
            index, distance = near.index[:, :-1], near.distance[:, :-1]
            furthest = _furthest(distance)
            self._neighbours[name] = near
            self._surroundings[name] = furthest, _densities(distance, furthest[index])
        if self._apart is not None:
            there = {name: np.isfinite(self._neighbours[name].distance[:, 0]) for name in self._members}
            self._keep({name: some[there[name][some]] for name, some in self._members.items()})


def _furthest(distance: Floats) -> Floats:
    """(..., k) distances of the nearest others -> (...) that of the furthest there is."""
    import numpy as np

    return np.asarray(np.where(np.isfinite(distance), distance, 0.0).max(axis=-1))


def _densities(distance: Floats, furthest: Floats) -> Floats:
    """Distances to nearest others, and these others' furthest, (..., k) -> local reachability density (...)."""
    import numpy as np

    there = np.isfinite(distance)
    reach = np.where(there, np.maximum(distance, furthest), 0.0)
    return np.asarray(1.0 / (reach.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1) + SMALLEST))


def _factors(distance: Floats, furthest: Floats, density: Floats) -> Floats:
    """LOF (n,) of clips by the distances of their neighbours, these ones' furthest and density, each (n, k)."""
    import numpy as np

    there = np.isfinite(distance)
    count = there.sum(axis=1)
    reach = np.where(there, np.maximum(distance, furthest), 0.0).sum(axis=1) / count
    return np.asarray(np.where(there, density, 0.0).sum(axis=1) / count * (reach + SMALLEST))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``lof``."""
    register("lof", LOF)
