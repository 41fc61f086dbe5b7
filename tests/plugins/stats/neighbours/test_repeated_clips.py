"""Repeated clips: copies against a comparison of all, and the clips that links lead to against scipy's components."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import asdcore
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances, find_neighbours
from asdcore_plugins.stats.neighbours.repeated_clips import distinct_clips, lowest_linked, some_repeated


@pytest.mark.parametrize("seed", range(20))
def test_the_lowest_clip_of_a_component_is_found(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    clips, others = rng.integers(n, size=(2, int(rng.integers(0, n + 1))))
    label = connected_components(coo_array((np.ones(len(clips)), (clips, others)), shape=(n, n)), directed=False)[1]
    expected = [np.flatnonzero(label == label[clip])[0] for clip in range(n)]
    assert lowest_linked(clips, others, n).tolist() == expected


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_is_one(step):
    chain = np.arange(1000)[::step]
    assert not lowest_linked(chain[1:], chain[:-1], 1000).any()


def repeating(seed, sounds=12):
    """A bank of clips, some of them the same; which sound each clip is; and its group, -1 for none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    sound = rng.integers(sounds, size=n)
    return rng.normal(size=(sounds, 6)).astype(np.float32)[sound], sound, rng.integers(-1, 2, size=n)


def copies_found(bank, group, *, lazily=False):
    rows = LazyDistances(bank, "euclidean") if lazily else asdcore.distances(bank, bank, "euclidean").__getitem__
    near = find_neighbours(rows, group, 0)
    return distinct_clips(rows, group, near), near


def copies_of(clip, sound, group):
    """The clips of the bank that are the same as ``clip``, and of its group: itself among them."""
    return [int(i) for i in np.flatnonzero((sound == sound[clip]) & (group == group[clip]) & (group >= 0))]


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_the_first_of_equal_clips_of_a_group_stands_for_all(seed, lazily):
    bank, sound, group = repeating(seed)
    distinct, near = copies_found(bank, group, lazily=lazily)
    copies = [copies_of(clip, sound, group) for clip in range(len(bank))]
    assert distinct.first.tolist() == [same[0] if same else -1 for same in copies]
    first = [clip for clip, same in enumerate(copies) if same[:1] == [clip]]
    assert distinct.clips.tolist() == first
    assert distinct.alone.tolist() == [clip for clip in first if len(copies[clip]) == 1]
    assert distinct.of(group).tolist() == [group[clip] if clip in first else -1 for clip in range(len(bank))]
    for clip, same in enumerate(copies):
        assert distinct.other[clip] in (same[1:] if same[:1] == [clip] and len(same) > 1 else [clip])
    assert some_repeated(near) == any(len(same) > 1 for same in copies)


@pytest.mark.parametrize("seed", range(20))
def test_a_clip_that_stands_for_copies_is_left_out_only_with_all_of_them(seed):
    bank, sound, group = repeating(seed)
    distinct, _ = copies_found(bank, group)
    rng = np.random.default_rng(seed)
    taken = rng.integers(4, size=len(bank))
    without = asdcore.Without([np.flatnonzero(taken == taken[clip]) for clip in range(len(bank))], len(bank))
    reduced = distinct.reduced(without)
    if len(distinct.clips) == (group >= 0).sum():
        assert reduced is without
        return
    assert np.array_equal(reduced.of, without.of)
    for gone, whole in zip(reduced.sets, without.sets, strict=True):
        expected = [clip for clip in distinct.clips if set(copies_of(clip, sound, group)) <= set(whole.tolist())]
        assert gone.tolist() == expected


def test_clips_that_differ_by_rounding_are_the_same_and_near_ones_are_not():
    """The nearest others of most are 1 away: copies are nearer than a billionth of that."""
    places = np.array([0.0, 1e-12, 1.0, 2.0, 2.0 + 1e-6, 3.0, 4.0, 5.0, 6.0])
    rows = np.abs(places[:, None] - places).__getitem__
    group = np.zeros(len(places), int)
    distinct = distinct_clips(rows, group, find_neighbours(rows, group, 0))
    assert distinct.first.tolist() == [0, 0, 2, 3, 4, 5, 6, 7, 8]


def test_pairs_of_copies_that_are_near_one_another_are_all_the_same():
    """The nearest other of each of the four is in its own pair: the pairs are found one round later."""
    places = np.array([0.0, 1e-13, 4e-13, 5e-13, *range(1, 9)])
    rows = np.abs(places[:, None] - places).__getitem__
    group = np.zeros(len(places), int)
    distinct = distinct_clips(rows, group, find_neighbours(rows, group, 0))
    assert distinct.first.tolist() == [0, 0, 0, 0, *range(4, 12)]


def test_a_bank_of_one_sound_is_one_clip():
    bank, group = np.ones((7, 3), np.float32), np.zeros(7, int)
    distinct, _ = copies_found(bank, group)
    assert distinct.clips.tolist() == [0]
    assert distinct.other[0] in range(1, 7)
