"""The nearest others of every train clip, in a bank and in the banks that lack one clip each.

Without a clip, the clips that had it among their nearest others get the next one instead, and all others keep theirs.
So leaving every clip out in turn takes one search, and n_train * k changes.
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

BLOCK = 64
"""Clips whose distances to the whole bank are held in memory at once."""

AT_ONCE = 1 << 17
"""Values for the clips of several banks that are held at once: 1 MiB each, more in a bank of many clips."""

TOGETHER = 16
"""The fewest clips that are left out in one block."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest others of every clip, nearest first.

    Parameters
    ----------
    index
        (n, k + 1) the other clips; -1 for none.
    distance
        (n, k + 1) how far they are; inf for none. The last column steps in if one of the first k is left out.
    """

    index: Indices
    distance: Floats

    def first(self, columns: int) -> Neighbours:
        """Return the first columns of both."""
        return (
            self if self.index.shape[1] == columns else Neighbours(self.index[:, :columns], self.distance[:, :columns])
        )

    def without(self, clips: Indices) -> Banks:
        """Return the banks that each lack one of ``clips`` (b,); -1 lacks none."""
        places, starts = self._places
        listed = [places[starts[clip] : starts[clip + 1]] for clip in clips]
        bank = np.repeat(np.arange(len(clips)), [len(of_clip) for of_clip in listed])
        row, column = np.divmod(np.concatenate(listed), self.index.shape[1] - 1)
        return Banks(self, clips, bank, row, column)

    def blocks(self, clips: Indices) -> Iterator[Indices]:
        """Cut clips into parts that are left out together."""
        size = max(TOGETHER, AT_ONCE // len(self.index))
        yield from (clips[start : start + size] for start in range(0, len(clips), size))

    @cached_property
    def _places(self) -> tuple[Indices, Indices]:
        """Places in the flat (n, k) index, sorted by the clip there, and where each clip's begin; clip -1 has none."""
        flat = self.index[:, :-1].ravel()
        places = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[places], np.arange(len(self.index) + 1))
        return places, np.append(starts, starts[0])


@dataclass(frozen=True)
class Banks:
    """Banks of the same clips (n,), each without one of them.

    Parameters
    ----------
    neighbours
        The neighbours in the whole bank.
    missing
        (b,) the clip that a bank lacks, or -1.
    bank, row, column
        (p,) losses: in this bank, the clip ``row`` has lost its neighbour in this column.
    """

    neighbours: Neighbours
    missing: Indices
    bank: Indices
    row: Indices
    column: Indices

    def chosen(self, which: Flags) -> Banks:
        """Return some of these banks, by flags (b,)."""
        lost, place = which[self.bank], np.cumsum(which) - 1
        return Banks(self.neighbours, self.missing[which], place[self.bank[lost]], self.row[lost], self.column[lost])

    def distances(self) -> Floats:
        """Return the distances (p, k) of the clips that lost a neighbour to the k nearest others they now have."""
        places = np.arange(self.neighbours.distance.shape[1] - 1)
        places = places + (places >= self.column[:, None])
        return np.asarray(self.neighbours.distance[self.row[:, None], places])

    def nearest(self) -> Indices:
        """Return the nearest other of every clip in every bank (b, n)."""
        first, index = self.column == 0, self.neighbours.index
        return self.filled(index[:, 0], index[self.row, 1], first)

    def nearest_distances(self) -> Floats:
        """Return the distance of every clip to its nearest other in every bank (b, n)."""
        first, distance = self.column == 0, self.neighbours.distance
        return self.filled(distance[:, 0], distance[self.row, 1], first)

    def filled(self, usual: NDArray[Any], changed: NDArray[Any], where: Flags | slice = slice(None)) -> NDArray[Any]:
        """Return the ``usual`` values (n,) in every bank (b, n), except for the losses: these are ``changed`` (p,)."""
        laid = np.tile(usual, (len(self.missing), 1))
        laid[self.bank[where], self.row[where]] = changed[where]
        return laid

    def among(self, counts: Flags) -> Flags:
        """(n,) the clips that count -> (b, n) those that count in each bank: all but the missing one."""
        counted = np.tile(counts, (len(self.missing), 1))
        lack = np.flatnonzero(self.missing >= 0)
        counted[lack, self.missing[lack]] = False
        return counted


def neighbours(rows: DistanceRows, group: Indices, k: int, without: Without | None = None) -> Neighbours:
    """Find the k + 1 nearest others of every clip among those of its group.

    Parameters
    ----------
    rows
        Distances to all clips.
    group
        (n,) group of each clip; clips of group -1 have no neighbours.
    k
        Neighbours that count.
    without
        For each clip, the clips that are not among its neighbours.

    Returns
    -------
    Neighbours
        Of equally near clips, the first in the bank's order is the nearer.
    """
    n, alike = len(group), (group == group[0]).all()
    index, distance = np.full((n, k + 1), -1), np.full((n, k + 1), np.inf)
    for start in range(0, n, BLOCK):
        block = np.arange(start, min(start + BLOCK, n))[group[start : start + BLOCK] >= 0]
        if not len(block):
            continue
        near = np.array(rows(block))
        near[np.arange(len(block)), block] = np.inf
        if without is not None:
            near[without.mask(block)] = np.inf
        if not alike:
            near[group[block, None] != group] = np.inf
        columns, how_far = nearest(near, k + 1)
        index[block, : columns.shape[1]], distance[block, : columns.shape[1]] = columns, how_far
    index[np.isinf(distance)] = -1
    return Neighbours(index, distance)


def nearest(distances: Floats, k: int) -> tuple[Indices, Floats]:
    """Find the k smallest values of each row, smallest first; of equal ones the first column first.

    Parameters
    ----------
    distances
        (n, m) values. Rows that are contiguous in memory give contiguous rows, so that sums over them do not depend on
        how many rows there are.
    k
        Values to find; all m if m is less.

    Returns
    -------
    tuple[Indices, Floats]
        Columns and values, both (n, k).

    Examples
    --------
    >>> columns, values = nearest(np.array([[3.0, 1.0, 2.0]]), 2)
    >>> columns.tolist(), values.tolist()
    ([[1, 2]], [[1.0, 2.0]])
    """
    if k >= distances.shape[1]:
        order = np.argsort(distances, axis=1, kind="stable")
        return order, np.take_along_axis(distances, order, axis=1)
    row = np.arange(len(distances))[:, None]
    chosen = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    values = distances[row, chosen]
    order = np.argsort(values, axis=1, kind="stable")
    chosen, values = chosen[row, order], values[row, order]
    # A partition chooses any of those that are as far as the k-th.
    for i in np.flatnonzero(np.count_nonzero(distances <= values[:, -1:], axis=1) > k):
        chosen[i] = np.argsort(distances[i], kind="stable")[:k]
    return chosen, values


def mean_nearest(distances: Floats, k: int) -> Floats:
    """Average the k smallest values of each row: (n, m) -> (n,).

    Infinite values do not count; a row of nothing else gives inf. Rows must be contiguous in memory, or their sums
    would depend on how many rows there are.

    Examples
    --------
    >>> mean_nearest(np.array([[4.0, 1.0, 2.0], [np.inf, 3.0, np.inf]]), 2)
    array([1.5, 3. ])
    """
    k = min(k, distances.shape[1])
    if k == 1:
        return np.asarray(distances.min(axis=1))
    near = np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1)
    means = near.mean(axis=1)
    for i in np.flatnonzero(np.isinf(near[:, -1])):
        there = near[i][np.isfinite(near[i])]
        means[i] = there.mean() if len(there) else np.inf
    return np.asarray(means)
