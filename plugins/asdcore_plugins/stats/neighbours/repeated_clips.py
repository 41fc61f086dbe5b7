"""Repeated train clips: copies of a clip count once, however often it was recorded.

A recorder that writes one file over and over makes clips that have others at no distance. As neighbours they say that
normal clips lie infinitely dense there. So of clips that are the same, one stands for all.

What is learnt of such a clip must not rest on another if none of its copies may rest on any copy of the other: one pair
that may is enough. So it does not matter which copy stands for all, and a clip that occurs in every recording, such as
silence, keeps its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from asdcore import Without
from asdcore_plugins.stats.arrays import DistanceRows, Indices
from asdcore_plugins.stats.neighbours.exact import Neighbours
from asdcore_plugins.stats.neighbours.lazy_distances import find_neighbours

SAME = 1e-9
"""Clips are the same if they are nearer to one another than this share of the median distance to the nearest other."""


@dataclass(frozen=True)
class DistinctClips:
    """Which clips of a bank are copies of one another.

    Parameters
    ----------
    first
        (n,) the clip that stands for each clip of the bank, -1 for a clip that is not of the bank.
    other
        (n,) for a clip that stands for others, one of its copies; for any other clip, itself.
    """

    first: Indices
    other: Indices

    @property
    def clips(self) -> Indices:
        """The clips that stand for themselves, and for their copies."""
        return np.flatnonzero(self.first == np.arange(len(self.first)))

    @property
    def alone(self) -> Indices:
        """The clips that have no copy."""
        count = np.bincount(self.first[self.first >= 0], minlength=len(self.first))
        return np.asarray(self.clips[count[self.clips] == 1])

    def of(self, group: Indices) -> Indices:
        """(n,) groups of clips -> the same for clips that stand for themselves, and -1 for their copies."""
        return np.where(self.first == np.arange(len(self.first)), group, -1)

    def reduced(self, without: Without) -> Without:
        """Return the clips that are left out with each clip, now that copies count once.

        A clip that stands for copies is one of them only if all its copies are.
        """
        if not self.some:
            return without
        return Without.of_sets([self.whole(clips, self.count) for clips in without.sets], without.of, without.n)

    def apart(self, without: Without) -> Without:
        """Return the clips that what is learnt of each clip must not rest on, now that copies count once."""
        if not self.some:
            return without
        reduced = self.reduced(without)
        rows = [reduced.sets[place] for place in reduced.of]
        for clip in np.flatnonzero(self.count > 1):
            rows[clip] = self.whole(shared(without, np.flatnonzero(self.first == clip)), self.count)
        return Without(rows, without.n)

    @property
    def some(self) -> bool:
        """Whether a clip has copies."""
        return bool((self.count > 1).any())

    @cached_property
    def count(self) -> Indices:
        """(n,) how many copies each clip stands for, itself among them."""
        return np.bincount(self.first[self.first >= 0], minlength=len(self.first))

    def whole(self, clips: Indices, count: Indices) -> Indices:
        """Return the clips that stand for copies which are all among ``clips``; ``count`` (n,) : how many there are."""
        first = self.first[clips]
        return np.flatnonzero((np.bincount(first[first >= 0], minlength=len(count)) == count) & (count > 0))


def shared(without: Without, clips: Indices) -> Indices:
    """Return the clips that are left out with each of ``clips``."""
    return reduce(np.intersect1d, (without.sets[place] for place in np.unique(without.of[clips])))


def distinct_clips(rows: DistanceRows, group: Indices, near: Neighbours) -> DistinctClips:
    """Find the clips that are copies of others of their group.

    Parameters
    ----------
    rows
        Distances to all clips.
    group
        (n,) group of each clip, -1 for clips that are not of the bank.
    near
        The nearest others of each clip in its group.
    """
    n, every = len(group), np.arange(len(group))
    first = np.where(group >= 0, every, -1)
    while len(same := _same(near)):
        lowest = lowest_linked(same, near.index[same, 0], n)
        first = np.where(first >= 0, lowest[np.maximum(first, 0)], -1)
        near = find_neighbours(rows, DistinctClips(first, every).of(group), 0)
    other, copies = every.copy(), np.flatnonzero((first >= 0) & (first != every))
    other[first[copies]] = copies
    return DistinctClips(first, other)


def some_repeated(near: Neighbours) -> bool:
    """Whether the nearest other of some clip is a copy of it."""
    return len(_same(near)) > 0


def lowest_linked(clips: Indices, others: Indices, n: int) -> Indices:
    """Return, for each of n clips, the lowest that links lead to, in either direction: (n,).

    Parameters
    ----------
    clips, others
        (m,) the two ends of each link.

    Examples
    --------
    >>> lowest_linked(np.array([4, 3, 1]), np.array([3, 1, 5]), 6)
    array([0, 1, 2, 1, 1, 1])
    """
    lowest = np.arange(n)
    while True:
        lower = lowest.copy()
        np.minimum.at(lower, clips, lowest[others])
        np.minimum.at(lower, others, lowest[clips])
        # What a clip leads to leads on: long chains take few rounds.
        lower = lower[lower]
        if np.array_equal(lower, lowest):
            return lower
        lowest = lower


def _same(near: Neighbours) -> Indices:
    """Return the clips whose nearest other is a copy."""
    distance = near.distance[:, 0]
    positive = distance[(distance > 0) & np.isfinite(distance)]
    return np.flatnonzero(distance <= (SAME * np.median(positive) if len(positive) else 0.0))
