"""The nearest others of every train clip in banks that leave whole sets of clips out.

A clip that loses some of its nearest others gets the next ones instead. So lists are made once, longer than what counts
by as many clips as a set has, and each bank updates the clips that lost something. If a list is used up before enough
are left, because the sets are larger than memory allows lists for, the clip's distances are measured again. So are
those of a clip that loses a neighbour because its bank lacks copies (:class:`.lost_copies.LostCopies`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import Without
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats, Indices
from asdcore_plugins.stats.neighbours.exact import AT_ONCE as MET
from asdcore_plugins.stats.neighbours.exact import TOGETHER, Neighbours, nearest
from asdcore_plugins.stats.neighbours.lazy_distances import find_neighbours
from asdcore_plugins.stats.neighbours.lost_copies import LostCopies

LISTED = 1 << 22
"""The most neighbours of all clips that are listed for sets of more than ``FEW`` clips: 64 MiB."""

FEW = 64
"""Size of sets that lists always make up for."""

FEW_LOST = 6
"""Most clips lose no more neighbours than this."""

AT_ONCE = 1 << 19
"""The most neighbours that are handled together in a bank of ordinary size: 4 MiB."""


@dataclass(frozen=True)
class NeighbourLists:
    """Makes lists of the nearest others of every clip.

    Parameters
    ----------
    rows
        Distances to all clips.
    group
        (n,) group of each clip; neighbours are of the same group.
    apart
        For each clip, the clips that are not among its neighbours.
    """

    rows: DistanceRows
    group: Indices
    apart: Without | None

    def listed(self, k: int, most: int) -> Neighbours:
        """List the k nearest others of every clip, and more of them to make up for sets of ``most`` clips."""
        return find_neighbours(self.rows, self.group, self.columns(k, most) - 1, self.apart)

    def columns(self, k: int, most: int) -> int:
        """Return how long such a list is."""
        n = len(self.group)
        return max(k, min(k + min(most, max(FEW, LISTED // n - k)), n - 1))


class NeighboursWithout:
    """The k nearest others of every clip in banks that lack the sets of ``without``.

    Parameters
    ----------
    lists
        What makes lists of neighbours.
    listed
        The lists that it made for sets as large.
    k
        Neighbours that count.
    without
        For each clip, the clips that its bank lacks.
    indexed
        Return all k neighbours, not only the nearest one and k distances.
    lost
        Which neighbours clips lose with copies of them; None if no clip has copies, or none are apart.
    """

    def __init__(
        self,
        lists: NeighbourLists,
        listed: Neighbours,
        k: int,
        without: Without,
        *,
        indexed: bool = False,
        lost: LostCopies | None = None,
    ) -> None:
        self._lost = lost
        self.lists, self.listed, self.k, self.without, self.indexed = lists, listed, k, without, indexed
        most = listed.index.shape[1]
        # Most clips lose few, so that the beginning of their lists suffices.
        self._widths = sorted({min(k + FEW_LOST, most), min(2 * k + FEW, most), most})

    def blocks(self) -> Iterator[BanksWithout]:
        """Yield the banks, block by block of sets."""
        size = max(1, AT_ONCE // (len(self.listed.index) * self._widths[0]))
        for start in range(0, len(self.without.sets), size):
            yield self.banks(np.arange(start, min(start + size, len(self.without.sets))))

    def banks(self, sets: Indices) -> BanksWithout:
        """Return the banks that lack these sets (b,)."""
        gone, lost = self.without.mask_of(sets), self._lost_in(sets)
        farther = np.zeros_like(gone)
        for of_bank, (clips, others) in zip(farther, lost, strict=True):
            # Of a list that does not name the other, the beginning stays as it is.
            of_bank[clips[(self.listed.index[clips] == others[:, None]).any(axis=1)]] = True
        bank, row = np.nonzero((self._touched(sets) | farther) & ~gone)
        index = np.full((len(row), self.k if self.indexed else 1), -1)
        banks = BanksWithout(self, sets, gone, bank, row, index, np.full((len(row), self.k), np.inf))
        # One more, for the clip that an empty place of a list names.
        here = np.pad(~gone, ((0, 0), (0, 1)), constant_values=False)
        farther = farther[bank, row]
        short = np.flatnonzero(~farther)
        for place, width in enumerate(self._widths):
            if len(short):
                short = self._fill(banks, here, short, width, last=place == len(self._widths) - 1)
        ended = (self.listed.index[row[short]] < 0).any(axis=1) | (self._widths[-1] >= len(self.lists.group) - 1)
        for i in np.append(short[~ended], np.flatnonzero(farther)):
            clips, others = lost[bank[i]]
            excluded = gone[bank[i]].copy()
            excluded[others[clips == row[i]]] = True
            nearest_index, banks.distance[i] = self._looked_at(int(row[i]), excluded)
            index[i] = nearest_index[: index.shape[1]]
        return banks

    def _fill(self, banks: BanksWithout, here: Flags, lists: Indices, width: int, *, last: bool) -> Indices:
        """Fill in the first k that are left of the beginnings of lists (p,); return the lists that have too few."""
        row = banks.row[lists]
        listed = np.take(self._beginnings[width][0], row, axis=0)
        kept = np.take(here.ravel(), listed + (banks.bank[lists] * here.shape[1])[:, None])
        rank = np.cumsum(kept, axis=1, dtype=np.int32)
        enough = rank[:, -1] >= self.k
        if not self.indexed:
            first = kept.argmax(axis=1)
            there = kept.any(axis=1)
            banks.index[lists[there], 0] = listed[there, first[there]]
        kept &= rank <= self.k
        if last and not enough.all():
            of, column = np.nonzero(kept & ~enough[:, None])
            at = lists[of], rank[of, column] - 1
            banks.distance[at] = self.listed.distance[row[of], column]
            if self.indexed:
                banks.index[at] = listed[of, column]
        kept[~enough] = False
        filled = lists[enough]
        banks.distance[filled] = np.take(self._beginnings[width][1], row, axis=0)[kept].reshape(-1, self.k)
        if self.indexed:
            banks.index[filled] = listed[kept].reshape(-1, self.k)
        return lists[~enough]

    @cached_property
    def _beginnings(self) -> dict[int, tuple[Indices, Floats]]:
        """{width: the beginnings of the lists, each in one piece}, with n for an empty place."""
        index = np.where(self.listed.index < 0, len(self.listed.index), self.listed.index)
        return {
            width: (np.ascontiguousarray(index[:, :width]), np.ascontiguousarray(self.listed.distance[:, :width]))
            for width in self._widths
        }

    def _looked_at(self, row: int, gone: Flags) -> tuple[Indices, Floats]:
        """Find the k nearest others of a clip among all that are left."""
        far = np.array(self.lists.rows(np.array([row])))
        apart = self.lists.apart
        excluded = gone | (self.lists.group != self.lists.group[row])
        excluded[row] = True
        if apart is not None:
            excluded |= apart.mask(np.array([row]))[0]
        far[0, excluded] = np.inf
        index, distance = nearest(far, self.k)
        index = np.where(np.isinf(distance), -1, index)
        more = self.k - index.shape[1]
        return np.pad(index[0], (0, more), constant_values=-1), np.pad(distance[0], (0, more), constant_values=np.inf)

    def _lost_in(self, sets: Indices) -> list[tuple[Indices, Indices]]:
        """Return, for each of the banks, pairs of clips and of neighbours that they lose with copies of one of them."""
        none = np.empty(0, np.intp), np.empty(0, np.intp)
        return [none if self._lost is None else self._lost.pairs(int(place)) for place in sets]

    def _touched(self, sets: Indices) -> Flags:
        """Say which clips lose one of the first k in each of the banks (b, n)."""
        places, starts = self._places
        gone = [self.without.sets[place] for place in sets]
        clips, bank = np.concatenate(gone), np.repeat(np.arange(len(sets)), [len(clips) for clips in gone])
        count = starts[clips + 1] - starts[clips]
        ends = np.cumsum(count)
        stood = places[np.arange(int(count.sum())) + np.repeat(starts[clips] - ends + count, count)]
        touched = np.zeros((len(sets), len(self.listed.index)), bool)
        touched[np.repeat(bank, count), stood] = True
        return touched

    @cached_property
    def _places(self) -> tuple[Indices, Indices]:
        """Clips sorted by a clip that is among their first k, and where those of each such clip begin."""
        first = self.listed.index[:, : self.k]
        flat = first.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(len(first) + 1))
        return order // first.shape[1], starts


@dataclass(frozen=True)
class BanksWithout:
    """Banks of the same clips (n,), each without one of the sets.

    Parameters
    ----------
    neighbours
        The neighbours in all banks.
    sets
        (b,) the set that each bank lacks.
    gone
        (b, n) the clips that each bank lacks.
    bank, row
        (p,) losses: in this bank, the clip ``row`` has lost some of its k nearest others.
    index, distance
        (p, k) the others it has now; -1 and inf for none. Only the first column of index, unless the neighbours are
        indexed.
    """

    neighbours: NeighboursWithout
    sets: Indices
    gone: Flags
    bank: Indices
    row: Indices
    index: Indices
    distance: Floats

    def distances(self) -> Floats:
        """Return the distances (p, k) of the clips that lost a neighbour to the k nearest others they now have."""
        return self.distance

    def nearest(self) -> Indices:
        """Return the nearest other of every clip in every bank (b, n); -1 for none."""
        return self.filled(self.neighbours.listed.index[:, 0], self.index[:, 0])

    def nearest_distances(self) -> Floats:
        """Return the distance of every clip to its nearest other in every bank (b, n); inf for none."""
        return self.filled(self.neighbours.listed.distance[:, 0], self.distance[:, 0])

    def among(self, counts: Flags) -> Flags:
        """(n,) the clips that count -> (b, n) those that count in each bank: they are in it and have a neighbour."""
        return counts & ~self.gone & np.isfinite(self.nearest_distances())

    def filled(self, usual: NDArray[Any], changed: NDArray[Any]) -> NDArray[Any]:
        """Return the ``usual`` values (n, ...) in every bank, except for the losses: these are ``changed`` (p, ...)."""
        laid = np.repeat(usual[None], len(self.sets), axis=0)
        laid[self.bank, self.row] = changed
        return laid

    def lists(self, bank: Indices, row: Indices) -> tuple[Indices, Floats]:
        """Return the k nearest others of clips in banks, both (...), and their distances: (..., k)."""
        k = self.neighbours.k
        index, distance = self.neighbours.listed.index[row, :k], self.neighbours.listed.distance[row, :k]
        place = self._place[bank, row]
        changed = np.nonzero(place >= 0)
        index[changed], distance[changed] = self.index[place[changed]], self.distance[place[changed]]
        return index, distance

    @cached_property
    def _place(self) -> Indices:
        """Place of a clip's changed list in a bank, -1 if it has the usual one."""
        place = np.full(self.gone.shape, -1)
        place[self.bank, self.row] = np.arange(len(self.row))
        return place

    def clips(self) -> Iterator[tuple[Indices, Indices]]:
        """Yield the clips (m,) that these banks score, and the bank of each (m,), block by block."""
        of = self.neighbours.without.of
        clips = np.flatnonzero((of >= self.sets[0]) & (of <= self.sets[-1]))
        size = max(TOGETHER, MET // len(of))
        for block in (clips[start : start + size] for start in range(0, len(clips), size)):
            yield block, of[block] - self.sets[0]
