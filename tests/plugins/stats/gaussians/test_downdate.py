"""A Gaussian without sets of its clips, against the Gaussian of the clips that stay."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.gaussians import downdate
from asdcore_plugins.stats.gaussians.downdate import DowndatedGaussian
from asdcore_plugins.stats.gaussians.gaussian import estimate

HOW = [0.3, "oas", "ledoit_wolf"]
DIMENSIONS = pytest.mark.parametrize("dim", [2, 7, 60], ids=lambda dim: f"D={dim}")


def bank(dim, sizes=(12, 8, 5), seed=0):
    """Clips (n, dim) of three groups at different places, and the group of each."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    mix = rng.normal(size=(dim, dim)) * np.geomspace(2.0, 0.2, dim)
    return rng.normal(size=(len(group), dim)) @ mix.T + 3.0 * group[:, None], group


@DIMENSIONS
@pytest.mark.parametrize("how", HOW)
def test_each_set_of_clips_is_scored_by_the_others(refitted, dim, how):
    clips, group = bank(dim)
    sets = np.array_split(np.random.default_rng(1).permutation(len(clips)), [1, 3, 4, 9, 15])
    distances, lost = DowndatedGaussian(estimate(clips, group, how), clips).distances(sets, sets)
    assert not lost.any()
    for gone in sets:
        assert np.allclose(distances[gone], refitted(clips, group, how, gone, clips[gone]), rtol=1e-8)


@DIMENSIONS
def test_rows_that_are_not_of_the_bank_are_scored_too(refitted, dim):
    clips, group = bank(dim)
    rows = np.random.default_rng(2).normal(size=(5, dim))
    sets, asked = [np.array([3, 9]), np.array([0, 1, 2, 20])], [np.array([4, 0]), np.array([2])]
    distances, lost = DowndatedGaussian(estimate(clips, group, "oas"), rows).distances(sets, asked)
    assert not lost.any()
    for gone, some in zip(sets, asked, strict=True):
        assert np.allclose(distances[some], refitted(clips, group, "oas", gone, rows[some]), rtol=1e-8)
    assert np.isinf(distances[[1, 3]]).all(), "rows of no set"


def test_without_an_empty_set_it_is_the_whole_gaussian():
    clips, group = bank(7)
    gaussian, every = estimate(clips, group, 0.3), np.arange(len(clips))
    distances, lost = DowndatedGaussian(gaussian, clips).distances([every[:0]], [every])
    assert not lost.any()
    assert np.allclose(distances, gaussian.distances(clips), rtol=1e-9)


@pytest.mark.parametrize("how", HOW)
def test_a_group_that_goes_as_a_whole_leaves_the_means_of_the_others(refitted, how):
    clips, group = bank(7)
    gone = np.flatnonzero(group == 1)
    distances, lost = DowndatedGaussian(estimate(clips, group, how), clips).distances([gone], [gone])
    assert not lost.any()
    assert np.isinf(distances[gone, 1]).all()
    assert np.allclose(distances[gone], refitted(clips, group, how, gone, clips[gone]), rtol=1e-8)


def test_sets_that_are_handled_one_by_one_get_the_same_distances(monkeypatch):
    clips, group = bank(7)
    gaussian, sets = estimate(clips, group), [np.arange(i, i + 1 + i % 4) for i in range(0, 20, 4)]
    together, _ = DowndatedGaussian(gaussian, clips).distances(sets, sets)
    monkeypatch.setattr(downdate, "AT_ONCE", 1)
    apart, _ = DowndatedGaussian(gaussian, clips).distances(sets, sets)
    assert np.allclose(apart, together, rtol=1e-9)


@pytest.mark.parametrize("how", HOW)
def test_only_sets_that_hold_all_of_the_scatter_are_named_as_lost(refitted, how):
    clips, group = bank(7)
    clips[4], clips[5] = clips[4] + 1e8, clips[5] - 1e8
    sets, asked = [np.array([4]), np.array([4, 5]), np.array([0, 1])], [np.array([4]), np.array([5]), np.array([0, 1])]
    distances, lost = DowndatedGaussian(estimate(clips, group, how), clips).distances(sets, asked)
    assert lost.tolist() == [False, True, False]
    for i in (0, 2):
        assert np.allclose(distances[asked[i]], refitted(clips, group, how, sets[i], clips[asked[i]]), rtol=1e-5)


def test_a_set_that_holds_all_of_the_scatter_of_a_direction_is_named_as_lost(refitted):
    clips, group = bank(7)
    clips[4, 0] += 1e6
    clips[[5, 6], 1] += [1e6, -1e6]
    sets = [np.array([4]), np.array([5]), np.array([0, 1])]
    distances, lost = DowndatedGaussian(estimate(clips, group, 1e-14), clips).distances(sets, sets)
    assert lost.tolist() == [True, False, False]
    assert np.allclose(distances[sets[2]], refitted(clips, group, 1e-14, sets[2], clips[sets[2]]), rtol=1e-3)
