"""The nearest others, in a bank and in the banks without one clip each: what a search from the start finds."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.neighbours.exact import mean_nearest, nearest, neighbours


def bank(n=14, seed=0):
    """Distances with many ties, and two groups, the second one small."""
    rng = np.random.default_rng(seed)
    within = rng.integers(1, 6, (n, n)).astype(float)
    within = np.minimum(within, within.T)
    np.fill_diagonal(within, 0.0)
    return within, np.array([0] * (n - 4) + [1] * 3 + [-1])


@pytest.mark.parametrize("k", [1, 3, 20])
def test_without_a_clip_they_are_those_of_the_bank_without_it(k):
    within, group = bank()
    near = neighbours(within.__getitem__, group, k)
    banks = near.without(np.arange(14))
    rows = {(b, r): one for b, r, one in zip(banks.bank, banks.row, banks.distances(), strict=True)}
    for i in range(14):
        others = np.delete(np.arange(14), i)
        again = neighbours(within[np.ix_(others, others)].__getitem__, group[others], k)
        for place, row in enumerate(others):
            found = rows.get((i, row), near.distance[row, :-1])
            assert np.array_equal(found, again.distance[place, :-1])
            where = again.index[place, 0]
            assert banks.nearest()[i, row] == (others[where] if where >= 0 else -1)
            assert banks.nearest_distances()[i, row] == again.distance[place, 0]


def test_a_bank_that_lacks_none_has_lost_nothing():
    within, group = bank()
    banks = neighbours(within.__getitem__, group, 3).without(np.array([-1]))
    assert len(banks.bank) == 0
    assert banks.among(np.ones(14, bool)).all()


@pytest.mark.parametrize("k", [1, 4, 30])
def test_of_equally_near_ones_the_first_is_the_nearer(k):
    distances = np.random.default_rng(0).integers(0, 4, (40, 25)).astype(float)
    index, values = nearest(distances, k)
    assert np.array_equal(index, np.argsort(distances, axis=1, kind="stable")[:, :k])
    assert np.array_equal(values, np.sort(distances, axis=1)[:, :k])


def test_a_mean_leaves_out_what_is_not_there():
    distances = np.array([[3.0, 1.0, np.inf, np.inf], [4.0, 1.0, 2.0, 6.0]])
    assert mean_nearest(distances, 3).tolist() == [2.0, 7.0 / 3.0]
    assert mean_nearest(distances, 1).tolist() == [1.0, 1.0]
