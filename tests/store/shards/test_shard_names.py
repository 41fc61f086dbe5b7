"""Which shard holds a clip is known without reading it again, and never for longer than it is true."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from asdcore.errors import StoreError
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.shards import shard_names


def features(*values):
    return [np.array([value], np.float32) for value in values]


@pytest.fixture
def folder(tmp_path):
    """A feature set of two clips in one shard, which changed long ago."""
    feature_set = Store(tmp_path).features({})
    feature_set.write(["a", "b"], features(1, 2))
    settle(feature_set.folder)
    return feature_set.folder


@pytest.fixture
def listings(calls_of):
    """The folders that are listed."""
    return calls_of(shard_names, "_shards")


def settle(folder):
    """Let the folder have changed an hour ago."""
    long_ago = time.time_ns() - 3_600 * 10**9
    os.utime(folder, ns=(long_ago, long_ago))


def held(folder):
    return set(shard_names.shards_of_clips(folder))


def test_a_folder_that_stays_the_same_is_listed_once(folder, listings):
    assert [held(folder) for _ in range(3)] == [{"a", "b"}] * 3
    assert listings == [folder]


def test_a_folder_that_changed_a_moment_ago_is_listed_again(folder, listings):
    os.utime(folder)
    assert [held(folder) for _ in range(3)] == [{"a", "b"}] * 3
    assert listings == [folder] * 3


@pytest.mark.parametrize("is_settled", [True, False])
def test_shards_that_come_and_go_are_noticed(folder, is_settled):
    assert held(folder) == {"a", "b"}
    (first,) = folder.glob("*.parquet")
    Store(folder.parents[1]).features({}).write(["c"], features(3))
    assert held(folder) == {"a", "b", "c"}
    if is_settled:
        settle(folder)
        assert held(folder) == {"a", "b", "c"}
    first.unlink()
    assert held(folder) == {"c"}


def test_two_changes_within_a_tick_of_a_slow_clock_are_both_noticed(folder):
    now = time.time_ns()
    for n, name in enumerate("cde"):
        Store(folder.parents[1]).features({}).write([name], features(n))
        os.utime(folder, ns=(now, now))
        assert name in held(folder)


def test_a_shard_changed_where_it_lies_is_read_again_when_its_clips_are_missed(folder):
    assert held(folder) == {"a", "b"}
    (shard,) = folder.glob("*.parquet")
    other = Store(folder / "other").features({})
    other.write(["b", "c"], features(4, 5))
    shard.write_bytes(next(other.folder.glob("*.parquet")).read_bytes())
    settle(folder)
    assert Store(folder.parents[1]).features({}).load(["c", "b"]).tolist() == [[5], [4]]
    with pytest.raises(StoreError, match="lacks the features of 1 clips"):
        Store(folder.parents[1]).features({}).load(["a"])


def test_of_two_shards_with_a_clip_the_last_by_name_counts(folder):
    for name, value in (("0", 8), ("zz", 9)):
        other = Store(folder / name).features({})
        other.write(["a"], features(value))
        next(other.folder.glob("*.parquet")).rename(folder / f"{name}.parquet")
    assert Store(folder.parents[1]).features({}).load(["a", "b"]).tolist() == [[9], [2]]


def test_only_so_many_feature_sets_are_kept(folder, tmp_path, listings, monkeypatch):
    monkeypatch.setattr(shard_names, "MOST_FOLDERS", 2)
    sets = [Store(tmp_path / str(n)).features({}) for n in range(3)]
    for n, feature_set in enumerate(sets):
        feature_set.write([str(n)], features(n))
        settle(feature_set.folder)
    asked = [sets[n].folder for n in (0, 1, 2, 2, 0)]
    assert [held(each) for each in asked] == [{"0"}, {"1"}, {"2"}, {"2"}, {"0"}]
    assert listings == [asked[0], asked[1], asked[2], asked[0]]
    assert len(shard_names._LISTED) <= 2


def test_many_machines_read_the_names_of_every_shard_once(tmp_path, calls_of):
    names = [f"{n:03d}" for n in range(60)]
    for start in range(0, 60, 10):
        Store(tmp_path).features({}).write(names[start : start + 10], features(*range(start, start + 10)))
    asked = calls_of(shard_names, "arrow_table")
    for machine in range(12):
        clips = names[5 * machine : 5 * machine + 5]
        assert Store(tmp_path).features({}).load(clips)[:, 0].tolist() == list(map(int, clips))
    assert len(asked) == len(set(asked)) == 6


def test_a_damaged_shard_is_named_among_sound_ones(folder):
    for n, name in enumerate("cd"):
        Store(folder.parents[1]).features({}).write([name], features(n))
    damaged = sorted(folder.glob("*.parquet"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(StoreError, match=damaged.name):
        held(folder)


def test_a_folder_may_be_named_like_a_pattern(tmp_path):
    store = Store(tmp_path / "a[b]*?")
    store.features({}).write(["a"], features(1))
    assert held(store.features({}).folder) == {"a"}


@pytest.mark.parametrize("part", ["a name of a column", "a name of a clip"])
def test_a_letter_that_is_no_text_is_damage(part, tmp_path):
    """pyarrow raises a UnicodeDecodeError then, which is neither an ArrowException nor an OSError."""
    letter = {"a name of a column": b"audio_sha256", "a name of a clip": b"the only clip"}[part]
    feature_set = FeatureSet(tmp_path / "set")
    feature_set.write(["the only clip"], [np.ones(3, np.float32)])
    (shard,) = feature_set.folder.glob("*.parquet")
    content = shard.read_bytes()
    assert letter in content
    shard.write_bytes(content.replace(letter, b"\xff" + letter[1:]))
    with pytest.raises(StoreError, match=r"is damaged, perhaps cut short"):
        FeatureSet(feature_set.folder).held()
    with pytest.raises(StoreError):
        feature_set.content(shard)
