"""The nearest others of every train clip in banks that leave whole sets of clips out.

A clip that loses some of its nearest others gets the next ones instead. So lists that are longer than what counts, by
as many clips as a set has, are made once, and each bank looks at the clips that lost something. Where a list is used up
before enough are left, which takes larger sets than memory allows lists for, the clip's distances are looked at again.
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

LISTED = 1 << 22
"""Neighbours of all clips that are listed, at most, for sets of more than ``FEW`` clips: 64 MiB."""

FEW = 64
"""Clips of a set that a list always makes up for."""

FEW_LOST = 6
"""Neighbours that a clip mostly loses at most."""

AT_ONCE = 1 << 19
"""Neighbours that are looked at together, at most, in a bank of ordinary size: 4 MiB."""


@dataclass(frozen=True)
class NeighbourLists:
    """What is known of the distances in a bank: rows and the group (n,) whose clips are neighbours of one another.

    apart : the clips that are no neighbours of a clip, for more than itself.
    """

    rows: DistanceRows
    group: Indices
    apart: Without | None

    def listed(self, k: int, most: int) -> Neighbours:
        """List the k nearest others of every clip, and more of them, to make up for sets of ``most`` clips."""
        return find_neighbours(self.rows, self.group, self.columns(k, most) - 1, self.apart)

    def columns(self, k: int, most: int) -> int:
        """Return how long such a list is."""
        n = len(self.group)
        return max(k, min(k + min(most, max(FEW, LISTED // n - k)), n - 1))


class NeighboursWithout:
    """The k nearest others of every clip in banks that lack the sets of ``without``.

    listed : what :meth:`NeighbourLists.listed` gave for sets as large. indexed : whether it matters which clips the
    neighbours are, and not only the nearest one.
    """

    def __init__(
        self, known: NeighbourLists, listed: Neighbours, k: int, without: Without, *, indexed: bool = False
    ) -> None:
        self.known, self.listed, self.k, self.without, self.indexed = known, listed, k, without, indexed
        most = listed.index.shape[1]
        # Most clips lose few, so that the beginning of their lists suffices.
        self._widths = sorted({min(k + FEW_LOST, most), min(2 * k + FEW, most), most})

    def blocks(self) -> Iterator[BanksWithout]:
        """Yield the banks of some sets after the other."""
        size = max(1, AT_ONCE // (len(self.listed.index) * self._widths[0]))
        for start in range(0, len(self.without.sets), size):
            yield self.banks(np.arange(start, min(start + size, len(self.without.sets))))

    def banks(self, sets: Indices) -> BanksWithout:
        """Return the banks that lack these sets (b,)."""
        gone = self.without.mask_of(sets)
        bank, row = np.nonzero(self._touched(sets) & ~gone)
        index = np.full((len(row), self.k if self.indexed else 1), -1)
        banks = BanksWithout(self, sets, gone, bank, row, index, np.full((len(row), self.k), np.inf))
        # One place more, for the clip that an empty place names.
        here = np.pad(~gone, ((0, 0), (0, 1)), constant_values=False)
        short = np.arange(len(row))
        for place, width in enumerate(self._widths):
            if len(short):
                short = self._fill(banks, here, short, width, last=place == len(self._widths) - 1)
        ended = (self.listed.index[row[short]] < 0).any(axis=1) | (self._widths[-1] >= len(self.known.group) - 1)
        for i in short[~ended]:
            nearest_index, banks.distance[i] = self._looked_at(int(row[i]), gone[bank[i]])
            index[i] = nearest_index[: index.shape[1]]
        return banks

    def _fill(self, banks: BanksWithout, here: Flags, some: Indices, width: int, *, last: bool) -> Indices:
        """Fill in the first k that are left of the beginnings of some lists (p,); returns those that have too few."""
        row = banks.row[some]
        listed = np.take(self._beginnings[width][0], row, axis=0)
        kept = np.take(here.ravel(), listed + (banks.bank[some] * here.shape[1])[:, None])
        rank = np.cumsum(kept, axis=1, dtype=np.int32)
        enough = rank[:, -1] >= self.k
        if not self.indexed:
            first = kept.argmax(axis=1)
            there = kept.any(axis=1)
            banks.index[some[there], 0] = listed[there, first[there]]
        kept &= rank <= self.k
        if last and not enough.all():
            of, column = np.nonzero(kept & ~enough[:, None])
            at = some[of], rank[of, column] - 1
            banks.distance[at] = self.listed.distance[row[of], column]
            if self.indexed:
                banks.index[at] = listed[of, column]
        kept[~enough] = False
        filled = some[enough]
        banks.distance[filled] = np.take(self._beginnings[width][1], row, axis=0)[kept].reshape(-1, self.k)
        if self.indexed:
            banks.index[filled] = listed[kept].reshape(-1, self.k)
        return some[~enough]

    @cached_property
    def _beginnings(self) -> dict[int, tuple[Indices, Floats]]:
        """{width: the beginnings of the lists, each in one piece}, with n for an empty place."""
        index = np.where(self.listed.index < 0, len(self.listed.index), self.listed.index)
        return {
            width: (np.ascontiguousarray(index[:, :width]), np.ascontiguousarray(self.listed.distance[:, :width]))
            for width in self._widths
        }

    def _looked_at(self, row: int, gone: Flags) -> tuple[Indices, Floats]:
        """Look for the k nearest others of a clip among all that are left."""
        far = np.array(self.known.rows(np.array([row])))
        apart = self.known.apart
        passed = gone | (self.known.group != self.known.group[row])
        passed[row] = True
        if apart is not None:
            passed |= apart.mask(np.array([row]))[0]
        far[0, passed] = np.inf
        index, distance = nearest(far, self.k)
        index = np.where(np.isinf(distance), -1, index)
        more = self.k - index.shape[1]
        return np.pad(index[0], (0, more), constant_values=-1), np.pad(distance[0], (0, more), constant_values=np.inf)

    def _touched(self, sets: Indices) -> Flags:
        """Say which clips lose one of the first k in each of the banks (b, n)."""
        places, starts = self._places
        clips = np.concatenate([self.without.sets[one] for one in sets])
        bank = np.repeat(np.arange(len(sets)), [len(self.without.sets[one]) for one in sets])
        count = starts[clips + 1] - starts[clips]
        ends = np.cumsum(count)
        stood = places[np.arange(int(ends[-1])) + np.repeat(starts[clips] - ends + count, count)]
        touched = np.zeros((len(sets), len(self.listed.index)), bool)
        touched[np.repeat(bank, count), stood] = True
        return touched

    @cached_property
    def _places(self) -> tuple[Indices, Indices]:
        """Clips that have one among their first k, by that one, and where each one's begin."""
        first = self.listed.index[:, : self.k]
        flat = first.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(len(first) + 1))
        return order // first.shape[1], starts


@dataclass(frozen=True)
class BanksWithout:
    """Banks of the same clips (n,), each without one of the ``sets`` (b,).

    gone : (b, n) the clips that a bank lacks. bank, row : (p,) who has lost some of its k nearest others in which bank.
    index, distance : (p, k) those it has now; -1 and inf where there are no more. Of index the first column alone,
        unless the neighbours are indexed.
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
        """Return how far the nearest other of every clip is in every bank (b, n); inf for none."""
        return self.filled(self.neighbours.listed.distance[:, 0], self.distance[:, 0])

    def among(self, known: Flags) -> Flags:
        """(n,) the clips that count -> (b, n) those that count in each bank: they are in it and have a neighbour."""
        return known & ~self.gone & np.isfinite(self.nearest_distances())

    def filled(self, usual: NDArray[Any], changed: NDArray[Any]) -> NDArray[Any]:
        """Lay out what is ``usual`` (n, ...), and ``changed`` (p, ...) where a neighbour was lost, for every bank."""
        laid = np.repeat(usual[None], len(self.sets), axis=0)
        laid[self.bank, self.row] = changed
        return laid

    def lists(self, bank: Indices, row: Indices) -> tuple[Indices, Floats]:
        """Return the k nearest others, and how far they are, of some clips in some banks, both (...): (..., k)."""
        k = self.neighbours.k
        index, distance = self.neighbours.listed.index[row, :k], self.neighbours.listed.distance[row, :k]
        place = self._place[bank, row]
        changed = np.nonzero(place >= 0)
        index[changed], distance[changed] = self.index[place[changed]], self.distance[place[changed]]
        return index, distance

    @cached_property
    def _place(self) -> Indices:
        """Where a clip's list stands in a bank, -1 where it is the usual one."""
        place = np.full(self.gone.shape, -1)
        place[self.bank, self.row] = np.arange(len(self.row))
        return place

    def clips(self) -> Iterator[tuple[Indices, Indices]]:
        """Yield the clips (m,) that are scored by these banks, and by which of them (m,), some after the other."""
        of = self.neighbours.without.of
        clips = np.flatnonzero((of >= self.sets[0]) & (of <= self.sets[-1]))
        size = max(TOGETHER, MET // len(of))
        for some in (clips[start : start + size] for start in range(0, len(clips), size)):
            yield some, of[some] - self.sets[0]
