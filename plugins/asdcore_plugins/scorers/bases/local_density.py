"""The base of scorers that judge distances by how dense the bank is around each train normal.

Where normal clips lie close together a small distance says much, where they are sparse little. Every scorer of this
family is min_y (d(x, y) / scale(y) - offset(y)) over a bank. Scale and offset follow from rho(y), a mean distance of a
train normal to its nearest others, and from what all train normals have in common.

Repeated clips of a domain count once. Otherwise the density among the repetitions would be infinite, and a score that
divides by it or subtracts it would say how often a clip was recorded.

Leave-one-out is exact: without clip i, clips that had it among their neighbours get the next one instead, and
everything that rests on neighbours (densities, their median, fitted slopes) is made anew from what is left.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue, Without, distances_to_onnx
from asdcore_plugins.scorers.bases.neighbour_lists import NeighbourScorer
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat
from asdcore_plugins.stats.masked import medians
from asdcore_plugins.stats.neighbours.bounded_distances import BoundedDistances
from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances, find_neighbours
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.neighbours.repeated_clips import DistinctClips, distinct_clips, some_repeated
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import mean_smallest
from asdcore_plugins.stats.parameters import choice

FLOOR = 1e-6
"""What is added to a density's distance, as a share of the median one: repeated clips have none of their own."""

AMONG = ("pooled", "domain")


class Density(Protocol):
    """The mean distance rho of every train clip to its nearest others."""

    def without(self, banks: BanksWithout) -> Floats:
        """Return rho (b, n) in every bank that lacks a set of clips; nan for clips without others."""
        ...

    def of(self, banks: Banks) -> Floats:
        """Return rho (b, n) in every bank; nan for clips without others, arbitrary for the missing clip."""
        ...


class MeanDensity:
    """The weighted mean, or sum, of the distances to a clip's neighbours.

    Parameters
    ----------
    near
        The neighbours of every clip, k of them and one more.
    weights
        (n, k) weight of each neighbour.
    total
        Take the sum instead of the mean.
    """

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
    """Average each row over its neighbours: (n, k) distances and weights -> (n,).

    An infinite distance means that there is no neighbour; nan for a row without any. ``total`` gives sums.

    Examples
    --------
    >>> weighted(np.array([[1.0, 3.0], [2.0, np.inf]]), np.ones((2, 2)))
    array([2., 2.])
    """
    there = np.isfinite(distance)
    sums = (np.where(there, distance, 0.0) * weights).sum(axis=1)
    mass = np.ones(len(sums)) if total else np.where(there, weights, 0.0).sum(axis=1)
    return np.asarray(np.divide(sums, mass, out=np.full(len(sums), np.nan), where=there.any(axis=1)))


def floor(rho: Floats, counted: Flags, name: str) -> Floats:
    """Return what a scorer adds to rho (b, n) before dividing by it: (b, 1).

    It is a share of the median positive rho among the clips that count in each bank (b, n). Raises DataError if no
    distance is positive.
    """
    middle = medians(rho, counted & (rho > 0))[:, None]
    if not (middle > 0)[counted.any(axis=1)].all():
        raise DataError(
            f"{name} finds all {counted.sum(axis=1).max()} train normals repeated, so no distance between "
            "them is positive"
        )
    return FLOOR * middle


class LocalDensity(NeighbourScorer):
    """min_y (d(x, y) / scale(y) - offset(y)) over each reference; subclasses say what scale and offset are.

    Parameters
    ----------
    name
        Name of the scorer, for messages.
    k
        Neighbours of a train clip that make up its neighbourhood.
    among
        Whose clips are neighbours: all ("pooled"), or those of the same domain ("domain"). A clip needs two others
        there, of which one is left when the other is left out. So a reference with fewer than 3 train normals is left
        out, and for "domain" a domain with fewer.
    metric, references
        As in :class:`~asdcore_plugins.scorers.bases.distance.DistanceScorer`.
    """

    _scale: Annotated[Floats, "n"]
    _offset: Annotated[Floats, "n"]

    def __init__(self, name: str, k: int, among: str, metric: str, references: Sequence[str]) -> None:
        self._among = choice("among", among, AMONG)
        super().__init__(name, metric, references, fewest=3)
        self._most = k

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        self._check_fitted()
        judged = distances / self._scale - self._offset
        return {name: np.take(judged, members, axis=1).min(axis=1) for name, members in self._members.items()}

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        self._check_fitted()
        judged = distances / self._scale - self._offset
        return {name: mean_smallest(judged, members, 1) for name, members in self._members.items()}

    def features_to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score` of a scorer that was fitted on features: (1, D) -> {reference: (1,)}."""
        assert self._bank is not None
        return self.distances_to_onnx(distances_to_onnx(features, self._bank, self.metric))

    def _searched(self, bank: NearestRows, features: Floats32) -> Mapping[str, Floats]:
        return BoundedDistances(bank, flat(features)).least(self._scale, self._offset, self._members)

    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each by the densities the others have without it."""
        scores = {name: np.empty(self._n) for name in self._members}
        # A clip with copies leaves the bank as it is.
        missing = np.where(np.isin(np.arange(self._n), self._distinct.alone), np.arange(self._n), -1)
        for clips in self._neighbours.blocks(np.arange(self._n)):
            scale, offset = self._judge(self._neighbours.without(missing[clips]))
            counted, lack = np.ones((len(clips), self._n), bool), np.flatnonzero(missing[clips] >= 0)
            counted[lack, clips[lack]] = False
            for name, least in self._least(clips, scale, offset, counted).items():
                scores[name][clips] = least
        return scores

    @abstractmethod
    def _density(self, near: Neighbours, counted: Flags, target: Flags) -> Density:
        """Return the density of clips with these neighbours; which clips count, and which are target ones (n,)."""

    @abstractmethod
    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[Floats | float, Floats | float]:
        """Densities in every bank (b, n), and which clips count -> (scale, offset), each (b, n) or one for all."""

    def _left_out_without(self, without: Without) -> dict[str, Floats]:
        scores = {name: np.empty(self._n) for name in self._members}
        fewest = dict.fromkeys(self._members, self._n)
        for banks in self._neighbours_without("all", without, self._distinct).blocks():
            counted = banks.among(self._counted)
            terms = self._terms(self._rho.without(banks), counted, banks)
            scale, offset = (np.broadcast_to(term, counted.shape) for term in terms)
            for name, members in self._members.items():
                fewest[name] = min(fewest[name], int(np.take(counted, members, axis=1).sum(axis=1).min()))
            for clips, bank in banks.clips():
                least = self._least(clips, scale[bank], offset[bank], counted[bank])
                for name in least:
                    scores[name][clips] = least[name]
        return self._kept(scores, fewest)

    def _least(
        self, clips: Indices, scale: Floats | float, offset: Floats | float, counted: Flags
    ) -> Mapping[str, Floats]:
        """Judge the distances of clips (b,) to those that count, by the scale and offset of each, (b, n_train)."""
        if isinstance(self._rows, LazyDistances):
            return self._rows.least(clips, scale, offset, self._members, counted)
        judged = self._rows(clips) / scale - offset
        judged[~counted] = np.inf
        return {name: np.take(judged, members, axis=1).min(axis=1) for name, members in self._members.items()}

    def _judge(self, banks: Banks) -> tuple[Floats | float, Floats | float]:
        return self._terms(self._rho.of(banks), banks.among(self._counted), banks)

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        group = self._group(domain)
        near = self._nearest_others("all", rows, group, self._most, None)
        self._distinct = self._distinct_of(rows, near, domain)
        first = self._distinct.of(group)
        if (first != group).any() or self._apart is not None:
            apart = None if self._apart is None else self._distinct.apart(self._apart)
            near = self._nearest_others("all", rows, first, self._most, apart)
        self._neighbours = near
        self._counted = (np.bincount(first + 1, minlength=3)[first + 1] > 2) & (first >= 0)
        if (first != group).any() or self._apart is not None:
            self._counted &= np.isfinite(near.distance[:, 0])
            self._keep({name: members[self._counted[members]] for name, members in self._members.items()})
        self._rho = self._density(self._neighbours, self._counted, domain == "target")
        whole = self._judge(self._neighbours.without(np.array([-1])))
        self._scale, self._offset = (np.broadcast_to(term, (1, len(domain)))[0].copy() for term in whole)

    def _distinct_of(self, rows: DistanceRows, near: Neighbours, domain: NDArray[np.str_]) -> DistinctClips:
        """Say which clips are copies of others of their domain."""
        group = (domain == "target").astype(np.intp)
        if not some_repeated(near):
            return DistinctClips(np.arange(len(domain)), np.arange(len(domain)))
        return distinct_clips(rows, group, find_neighbours(rows, group, 0))

    def _usable(self, members: Indices, domain: NDArray[np.str_]) -> Indices:
        group = self._group(domain)
        return members[np.bincount(group, minlength=2)[group[members]] > 2]

    def _group(self, domain: NDArray[np.str_]) -> Indices:
        return (domain == "target").astype(np.intp) if self._among == "domain" else np.zeros(len(domain), np.intp)
