"""Repeated clips in banks that lack some of their copies: pairs of clips that are apart there alone.

Two clips are apart if no copy of one may rest on a copy of the other
(:mod:`asdcore_plugins.stats.neighbours.repeated_clips`). A bank may lack just those copies that may.
"""

from __future__ import annotations

from functools import cached_property, reduce

import numpy as np

from asdcore import Without
from asdcore_plugins.stats.arrays import Indices
from asdcore_plugins.stats.neighbours.repeated_clips import DistinctClips, shared


class LostCopies:
    """Which clips are apart in banks that lack sets of clips, because of the copies that these lack.

    Parameters
    ----------
    distinct
        Which clips are copies of one another.
    apart
        For each clip, those that nothing learnt of it may rest on.
    without
        For each clip, those that its bank lacks.
    """

    def __init__(self, distinct: DistinctClips, apart: Without, without: Without) -> None:
        self._distinct, self._apart, self._without = distinct, apart, without

    def pairs(self, place: int) -> tuple[Indices, Indices]:
        """Return the pairs (p,), (p,) that are apart in the bank without a set: clips, and what they rest on no longer.

        Clips that are apart in the whole bank, or that this one lacks, may be among them.
        """
        gone, first = self._without.sets[place], self._distinct.first
        lost = np.bincount(first[gone][first[gone] >= 0], minlength=len(first))
        left = self._distinct.count - lost
        here = first >= 0
        here[gone] = False
        clips, others = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        for clip in np.flatnonzero((lost > 0) & (left > 0)):
            copies = np.flatnonzero(here & (first == clip))
            own, back = shared(self._apart, copies), self._resting_on_none(copies)
            own, back = (self._distinct.whole(some[here[some]], left) for some in (own, back))
            clips += [np.full(len(own), clip), back]
            others += [own, np.full(len(back), clip)]
        return np.concatenate(clips), np.concatenate(others)

    def _resting_on_none(self, copies: Indices) -> Indices:
        """Return the clips that must not rest on any of ``copies``."""
        sets, starts = self._sets
        places = reduce(np.intersect1d, (sets[starts[copy] : starts[copy + 1]] for copy in copies))
        return np.flatnonzero(np.isin(self._apart.of, places))

    @cached_property
    def _sets(self) -> tuple[Indices, Indices]:
        """Sets that are apart from a clip, sorted by that clip, and where those of each clip begin."""
        members = np.concatenate(self._apart.sets)
        sets = np.repeat(np.arange(len(self._apart.sets)), [len(clips) for clips in self._apart.sets])
        order = np.argsort(members, kind="stable")
        return sets[order], np.searchsorted(members[order], np.arange(self._apart.n + 1))
