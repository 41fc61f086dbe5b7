"""Lists of neighbours that make up for sets of clips, against a search among those that are left."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import Without
from asdcore_plugins.stats.neighbours import leave_sets_out
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.neighbours.leave_sets_out import NeighbourLists, NeighboursWithout


def bank(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)).astype(np.float32), (rng.random(n) < 0.3).astype(np.intp), rng


def long_way(far, group, k, gone, apart):
    """Sort what is left for every clip of a bank."""
    index, distance = np.full((len(group), k), -1), np.full((len(group), k), np.inf)
    for i in range(len(group)):
        there = np.flatnonzero(~gone & ~apart[i] & (group == group[i]))
        order = there[np.argsort(far[i, there], kind="stable")][:k]
        index[i, : len(order)], distance[i, : len(order)] = order, far[i, order]
    return index, distance


@pytest.mark.parametrize("listed", [1 << 22, 1])
@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("size", [1, 4, 25])
def test_every_list_is_that_of_the_clips_left(monkeypatch, size, searched, listed):
    # With nothing in reserve, lists run out and the distances are looked at again.
    monkeypatch.setattr(leave_sets_out, "LISTED", listed)
    monkeypatch.setattr(leave_sets_out, "FEW", 64 if listed > 1 else 2)
    for seed in range(4):
        features, group, rng = bank(int(rng_n(seed)), seed)
        n, k = len(features), int(rng_n(seed + 9) % 6 + 1)
        without = Without([rng.choice(n, min(size, n - 1), replace=False) for _ in range(n)], n)
        apart = Without([rng.choice(n, 3, replace=False) for _ in range(n)], n)
        far = asdcore.distances(features, features, "euclidean")
        rows = LazyDistances(features, "euclidean") if searched else far.__getitem__
        known = NeighbourLists(rows, group, apart)
        lists = NeighboursWithout(known, known.listed(k, without.most), k, without, indexed=True)
        for banks in lists.blocks():
            for place, one in enumerate(banks.sets):
                gone = without.mask_of([one])[0]
                index, distance = long_way(far, group, k, gone, apart.mask(np.arange(n)))
                stays = np.flatnonzero(~gone)
                found = banks.lists(np.full(len(stays), place), stays)
                assert np.array_equal(found[0], index[stays])
                assert np.array_equal(found[1], distance[stays])
                assert np.array_equal(banks.nearest()[place, stays], index[stays, 0])
                assert np.array_equal(banks.nearest_distances()[place, stays], distance[stays, 0])


def rng_n(seed):
    return 12 + (seed * 17) % 37
