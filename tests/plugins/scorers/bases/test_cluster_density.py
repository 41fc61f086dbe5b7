"""The density of own clusters without a clip is the one that a bank without it has, whatever repeats in it."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.scorers.bases.cluster_density import ClusterDensity
from asdcore_plugins.stats.neighbours.exact import neighbours


def bank(kind, n=26):
    """Distances of points in clusters: distinct ones, or on a grid, where most distances come several times."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n, 2)) + 8.0 * rng.integers(0, 3, (n, 1))
    points = np.round(points) if kind == "on a grid" else points
    return np.sqrt(np.square(points[:, None] - points).sum(axis=2))


@pytest.mark.parametrize("kind", ["distinct", "on a grid"])
@pytest.mark.parametrize("k", [3, 4, 9, 40])
@pytest.mark.parametrize("quantile", [0.0, 0.1, 0.5])
def test_without_a_clip_it_is_that_of_a_bank_without_it(kind, k, quantile):
    within = bank(kind)
    group = np.array([0] * 20 + [1] * 4 + [-1] * 2)
    near, known = neighbours(within.__getitem__, group, k), group >= 0
    found = ClusterDensity(near, known, quantile).of(near.without(np.arange(26)))
    for i in range(26):
        others = np.delete(np.arange(26), i)
        again = neighbours(within[np.ix_(others, others)].__getitem__, group[others], k)
        expected = ClusterDensity(again, known[others], quantile).of(again.without(np.array([-1])))[0]
        np.testing.assert_allclose(found[i, others], expected, rtol=1e-12)


def test_clips_without_others_have_no_density():
    within = bank("distinct")
    near = neighbours(within.__getitem__, np.array([0] * 25 + [-1]), 5)
    rho = ClusterDensity(near, np.arange(26) < 25, 0.1).of(near.without(np.array([-1])))[0]
    assert np.isnan(rho[25])
    assert (rho[:25] > 0).all()
