"""Local outlier factor: how much sparser a clip's surroundings are than those of its neighbours.

With N_k(x) the k train normals nearest to x and kdist(y) the distance of y to its k-th nearest other:
reach(x, y) = max(d(x, y), kdist(y)), lrd(x) = 1 / mean of reach over N_k(x), and LOF(x) = mean of lrd(y) over N_k(x),
over lrd(x). Near 1 among normals, larger outside. From Breunig et al., "LOF: Identifying Density-Based Local Outliers"
(SIGMOD 2000); without repeated clips these are the scores of scikit-learn as a novelty detector. Of a bank of n clips,
k is at most n - 1 for every clip: a train normal has no more others, and densities of unlike k would not compare.

Repeated clips count once, as the paper proposes with its k-distinct-distance. Otherwise more than k copies would be
infinitely dense, and a clip near them infinitely odd. A mean reach below a hundredth of the median kdist counts as that
hundredth, which does the same for clips that are nearly the same.

With ``without``, the clips that y must not rest on are not among its neighbours, for kdist and lrd alike. A clip that
is repeated may rest on what one of its copies may; one that has no neighbours left is skipped.

Leave-one-out is exact: without the clip its neighbours have other neighbours, reaches and densities. Time and memory: a
distance matrix of n_train^2, then n_train + k^2 for a clip left out and n_train for a clip scored. A bank of more than
5,000 clips is searched instead, once for each reference, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, OnnxValue, Without
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.bounded_distances import BoundedDistances
from asdcore_plugins.stats.neighbours.exact import nearest
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.neighbours.repeated_clips import distinct_clips
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import smallest
from asdcore_plugins.stats.parameters import whole

LEAST = 0.01
"""The smallest mean reach that counts, as a share of the median distance to the k-th nearest other."""


class LOF(NeighbourScorer):
    """The local outlier factor in each reference; without unit.

    A reference of fewer than 3 train clips is left out.

    Parameters
    ----------
    k
        Neighbours that count; at most as many as a train clip has others in the reference.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.

    Raises
    ------
    ValueError
        If ``k`` is not a positive whole number, or a metric or reference is unknown.

    References
    ----------
    M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000,
    definitions 3 to 7.

    Examples
    --------
    Five clips at equal steps, one near them and one far away:

    >>> import numpy as np
    >>> train = np.arange(5, dtype=np.float32)[:, None]
    >>> scorer = LOF(k=2, metric="euclidean").fit(train, np.full(5, "source"))
    >>> scorer.score(np.array([[2.5], [10.0]], np.float32))["pooled"].round(2).tolist()
    [0.83, 4.33]
    """

    _surroundings: Annotated[Mapping[str, _Surroundings], LEARNED]

    def __init__(self, k: int = 20, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        self._k = whole("k", k)
        super().__init__("lof", metric, references, fewest=3)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        return {name: self._scores(name, distances) for name in self._surroundings}

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        self._check_fitted()
        scores = {}
        for name, around in self._surroundings.items():
            distance, near = smallest(distances.take(around.clips, axis=1), self._others(len(around.clips)))
            furthest, density = (
                near.graph.constant(part[around.clips]).take(near) for part in (around.furthest, around.density)
            )
            reach = distance.op("Max", furthest).mean(1)
            scores[name] = density.mean(1) * reach.op("Max", around.least)
        return scores

    def _searched(self, bank: NearestRows, features: Floats32) -> Mapping[str, Floats]:
        far, scores = BoundedDistances(bank, flat(features)), {}
        for name, around in self._surroundings.items():
            k = self._others(len(around.clips))
            near = [far.nearest(clip, around.clips, k) for clip in range(len(features))]
            index, distance = (np.array(part) for part in zip(*near, strict=True))
            scores[name] = self._judged(name, index, distance)
        return scores

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each among the others as they are without it."""
        scores = {name: np.empty(self._n) for name in self._members}
        for name, distinct in self._distinct.items():
            near, strangers = self._neighbours[name], np.setdiff1d(np.arange(self._n), distinct.alone)
            for clips in near.blocks(distinct.alone):
                scores[name][clips] = self._alone(name, clips)
            # Without a clip that has a copy, the reference stays as it is.
            if isinstance(self._rows, LazyDistances):
                k = self._others(len(distinct.clips))
                nearest_others = self._rows.nearest(distinct.other[strangers], distinct.clips, k)
                scores[name][strangers] = self._judged(name, *nearest_others)
                continue
            for clips in near.blocks(strangers):
                scores[name][clips] = self._scores(name, self._rows(distinct.other[clips]))
        return scores

    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        scores = {name: np.empty(self._n) for name in self._members}
        fewest = dict.fromkeys(scores, self._n)
        for name, distinct in self._distinct.items():
            gone = distinct.reduced(without)
            lists = self._neighbours_without(name, without, distinct, indexed=True)
            stands = distinct.first == np.arange(self._n)
            usual = _furthest(lists.listed.distance[:, : self._k])
            near = self._near(name, gone)
            for banks in lists.blocks():
                furthest, counted = banks.filled(usual, _furthest(banks.distance)), banks.among(stands)
                least = self._least(furthest, counted)
                fewest[name] = min(fewest[name], int(counted.sum(axis=1).min()))
                for clips, bank in banks.clips():
                    chosen, distance = self._chosen(name, near, clips, counted[bank])
                    others = counted[bank].sum(axis=1, keepdims=True) - 1
                    distance = np.where(np.arange(distance.shape[1]) < others, distance, np.inf)
                    index, apart = banks.lists(bank[:, None], chosen)
                    density = _densities(apart, furthest[bank[:, None, None], index], least[bank, None])
                    scores[name][clips] = _factors(distance, furthest[bank[:, None], chosen], density, least[bank])
        return self._kept(scores, fewest)

    def _others(self, clips: int) -> int:
        """Return how many of a bank's clips are looked at: at most as many as each of them has others."""
        return min(self._k, clips - 1)

    def _near(self, name: str, without: Without) -> tuple[Indices, Floats]:
        """Find the nearest of a reference that each clip may rest on: indices, and how far they are, (n_train, k)."""
        clips, every = self._distinct[name].clips, np.arange(self._n)
        if isinstance(self._rows, LazyDistances):
            return self._rows.nearest(every, clips, min(self._k, len(clips)), without)
        parts = []
        for queries in self._neighbours[name].blocks(every):
            row = np.array(self._rows(queries))
            row[without.mask(queries)] = np.inf
            parts.append(nearest(np.take(row, clips, axis=1), self._k))
        index, distance = (np.concatenate(part) for part in zip(*parts, strict=True))
        return clips[index], distance

    def _chosen(
        self, name: str, near: tuple[Indices, Floats], clips: Indices, counted: Flags
    ) -> tuple[Indices, Floats]:
        """Take of the nearest of clips (b,) those that count (b, n_train): indices, and how far they are, (b, k)."""
        chosen, distance = near[0][clips], near[1][clips]
        there = np.take_along_axis(counted, chosen, axis=1) | np.isinf(distance)
        # Seldom: among the nearest is one that has no neighbours left, and the next ones take its place.
        for i in np.flatnonzero(~there.all(axis=1)):
            row = np.where(counted[i], self._rows(clips[[i]])[0], np.inf)
            column, distance[[i]] = nearest(row[None, self._distinct[name].clips], distance.shape[1])
            chosen[i] = self._distinct[name].clips[column[0]]
        return chosen, distance

    def _scores(self, name: str, distances: Floats) -> Floats:
        """(n_clips, n_train) distances of clips that do not belong to a reference -> (n_clips,)."""
        clips = self._surroundings[name].clips
        column, distance = nearest(np.take(distances, clips, axis=1), self._others(len(clips)))
        return self._judged(name, clips[column], distance)

    def _judged(self, name: str, near: Indices, distance: Floats) -> Floats:
        """Score clips (n,) that do not belong to a reference by their nearest in it, and how far these are, (n, k)."""
        around = self._surroundings[name]
        return _factors(distance, around.furthest[near], around.density[near], around.least)

    def _alone(self, name: str, clips: Indices) -> Floats:
        """Score clips (b,) of a reference by the reference without each."""
        near, bank = self._neighbours[name], np.arange(len(clips))[:, None]
        banks = near.without(clips)
        furthest = banks.filled(self._surroundings[name].furthest, _furthest(banks.distances()))
        least = self._least(furthest, banks.among(self._distinct[name].first == np.arange(self._n)))
        count = self._others(len(self._distinct[name].clips) - 1)
        chosen, distance = near.index[clips, :count], near.distance[clips, :count]
        # The neighbours' neighbours: the nearest k + 1 without the clip, or without the last if it is not there.
        index, apart = near.index[chosen], near.distance[chosen]
        lost = index == clips[:, None, None]
        lost[..., -1] |= ~lost.any(axis=2)
        apart[lost] = np.inf
        density = _densities(apart, furthest[bank[..., None], index], least[:, None])
        return _factors(distance, furthest[bank, chosen], density, least)

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        self._neighbours, self._distinct, surroundings, kept = {}, {}, {}, {}
        for name, members in self._members.items():
            group = np.full(len(domain), -1)
            group[members] = 0
            near = self._nearest_others(name, rows, group, self._k, None)
            distinct = self._distinct[name] = distinct_clips(rows, group, near)
            if self._apart is not None or len(distinct.clips) < len(members):
                apart = None if self._apart is None else distinct.apart(self._apart)
                near = self._nearest_others(name, rows, distinct.of(group), self._k, apart)
            index, distance = near.index[:, :-1], near.distance[:, :-1]
            furthest, there = _furthest(distance), (distinct.of(group) == 0) & np.isfinite(distance[:, 0])
            least = self._least(furthest[None], there[None])[0]
            self._neighbours[name] = near
            density = _densities(distance, furthest[index], least)
            kept[name] = distinct.clips[there[distinct.clips]]
            surroundings[name] = _Surroundings(kept[name], furthest, density, float(least))
        self._keep(kept)
        # A reference of repeated clips may be left out now.
        self._neighbours = {name: self._neighbours[name] for name in self._members}
        self._distinct = {name: self._distinct[name] for name in self._members}
        self._surroundings = {name: surroundings[name] for name in self._members}

    @staticmethod
    def _least(furthest: Floats, counted: Flags) -> Floats:
        """Distances to the k-th nearest other (b, n), and which count -> the least reach of each bank (b,).

        1 for a bank in which no clip counts.
        """
        return np.asarray(np.where(counted.any(axis=1), LEAST * medians(furthest, counted), 1.0))


@dataclass(frozen=True)
class _Surroundings(Learned):
    """What a reference tells of its clips.

    Parameters
    ----------
    clips
        (m,) the clips of the reference, without copies and those that have no neighbours left.
    furthest, density
        (n_train,) the distance of each to its k-th nearest other, and its local reachability density.
    least
        The least reach that counts.
    """

    clips: Annotated[Indices, "+", "n"]
    furthest: Annotated[Floats, "n"]
    density: Annotated[Floats, "n"]
    least: Number


def _furthest(distance: Floats) -> Floats:
    """(..., k) distances of the nearest others -> (...) the largest finite one."""
    return np.asarray(np.where(np.isfinite(distance), distance, 0.0).max(axis=-1))


def _densities(distance: Floats, furthest: Floats, least: Floats) -> Floats:
    """Distances to nearest others, and these others' furthest, (..., k) -> local reachability density (...)."""
    there = np.isfinite(distance)
    reach = np.where(there, np.maximum(distance, furthest), 0.0)
    return np.asarray(1.0 / np.maximum(reach.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1), least))


def _factors(distance: Floats, furthest: Floats, density: Floats, least: Floats | float) -> Floats:
    """LOF (n,) of clips by the distances of their neighbours, these ones' furthest and density, each (n, k)."""
    there = np.isfinite(distance)
    count = np.maximum(there.sum(axis=1), 1)
    reach = np.where(there, np.maximum(distance, furthest), 0.0).sum(axis=1) / count
    return np.asarray(np.where(there, density, 0.0).sum(axis=1) / count * np.maximum(reach, least))
