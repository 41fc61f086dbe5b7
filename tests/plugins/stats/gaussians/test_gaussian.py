"""A shrunk Gaussian about several means: its definition, and leaving a clip out for real."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.stats.gaussians.gaussian import estimate


def three_groups(dim, sizes=(9, 5, 2), seed=0):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    mix = rng.normal(size=(dim, dim)) * np.geomspace(2.0, 0.2, dim)
    return rng.normal(size=(len(group), dim)) @ mix.T + 3.0 * group[:, None], group


def by_matrices(rows, group, clips, amount):
    """Distances (n, groups) by the inverse of the covariance itself."""
    means = np.array([rows[group == g].mean(axis=0) for g in range(3)])
    centred = rows - means[group]
    covariance = centred.T @ centred / len(rows)
    dim = rows.shape[1]
    inverse = np.linalg.inv((1 - amount) * covariance + amount * np.trace(covariance) / dim * np.eye(dim))
    gaps = clips[:, None] - means
    return np.einsum("ngd,de,nge->ng", gaps, inverse, gaps)


@pytest.mark.parametrize("dim", [2, 7, 60], ids=lambda dim: f"D={dim}")
def test_distances_are_from_every_mean(dim):
    rows, group = three_groups(dim)
    clips = np.random.default_rng(1).normal(size=(6, dim))
    for how in (0.3, "oas", "ledoit_wolf"):
        gaussian = estimate(rows, group, how)
        assert 0.0 < gaussian.amount <= 1.0
        assert np.allclose(gaussian.distances(clips), by_matrices(rows, group, clips, gaussian.amount), rtol=1e-8)
    assert estimate(rows, group, 0.3).amount == 0.3


@pytest.mark.parametrize("how", [0.3, "oas", "ledoit_wolf"])
@pytest.mark.parametrize("dim", [2, 7, 60], ids=lambda dim: f"D={dim}")
def test_left_out_is_the_gaussian_of_the_others(dim, how):
    rows, group = three_groups(dim)
    scores, lost = estimate(rows, group, how).distances_left_out()
    assert not lost.any()
    for i in range(len(rows)):
        others = np.arange(len(rows)) != i
        refitted = estimate(rows[others], group[others], how)
        assert np.allclose(scores[i], refitted.distances(rows[[i]])[0], rtol=1e-8)


def test_a_clip_that_holds_all_of_the_scatter_is_named_as_lost():
    rows, group = three_groups(7)
    rows[4] += 1e8
    _, lost = estimate(rows, group).distances_left_out()
    assert list(np.flatnonzero(lost)) == [4]


def test_groups_of_one_sound_each_have_no_spread():
    group = np.array([0, 0, 0, 1, 1])
    with pytest.raises(DataError, match="all 5 train normals have the same features in each domain"):
        estimate(np.array([0.1, 7.3])[group][:, None] * np.ones(4), group)
