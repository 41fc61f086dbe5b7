"""Copies of clips that are apart, in the whole bank and in banks that lack some of them, by all pairs of copies."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import Without
from asdcore_plugins.stats.neighbours.lost_copies import LostCopies
from asdcore_plugins.stats.neighbours.repeated_clips import DistinctClips


def bank(seed):
    """Which clip stands for each, -1 for none; and sets to be apart and to be left out."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 14))
    sound = rng.integers(0, max(2, n // 2), n)
    first = np.array([int(np.flatnonzero(sound == one)[0]) for one in sound])
    first[sound == 0] = -1
    apart, without = ([rng.choice(n, rng.integers(0, n), replace=False) for _ in range(n)] for _ in range(2))
    return DistinctClips(first, np.arange(n)), Without(apart, n), Without(without, n)


def all_pairs(distinct, apart, here):
    """Return (n, n) whether no copy of one clip that is here may rest on a copy of another."""
    mask, n = apart.mask(np.arange(apart.n)), apart.n
    found = np.zeros((n, n), bool)
    for clip in distinct.clips:
        for other in distinct.clips:
            copies, copies_of_other = (np.flatnonzero((distinct.first == one) & here) for one in (clip, other))
            there = len(copies) and len(copies_of_other) and clip != other
            found[clip, other] = there and mask[np.ix_(copies, copies_of_other)].all()
    return found


@pytest.mark.parametrize("seed", range(40))
def test_clips_are_apart_if_every_pair_of_their_copies_is(seed):
    distinct, apart, _ = bank(seed)
    whole = distinct.apart(apart).mask(np.arange(apart.n))
    expected = all_pairs(distinct, apart, np.ones(apart.n, bool))
    for clip in distinct.clips:
        others = np.setdiff1d(distinct.clips, [clip])
        assert whole[clip, others].tolist() == expected[clip, others].tolist()
        assert whole[clip, clip]


@pytest.mark.parametrize("seed", range(40))
def test_a_bank_that_lacks_copies_has_more_of_them(seed):
    distinct, apart, without = bank(seed)
    lost = LostCopies(distinct, apart, without)
    for place, gone in enumerate(without.sets):
        here = ~np.isin(np.arange(apart.n), gone)
        mask = distinct.apart(apart).mask(np.arange(apart.n))
        mask[lost.pairs(place)] = True
        left = [clip for clip in distinct.clips if (here & (distinct.first == clip)).any()]
        expected = all_pairs(distinct, apart, here)
        for clip in left:
            others = np.setdiff1d(left, [clip])
            assert mask[clip, others].tolist() == expected[clip, others].tolist()
