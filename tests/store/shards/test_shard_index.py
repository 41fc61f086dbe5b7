"""The next process knows the clips of many shards without opening these, and is never misled."""

from __future__ import annotations

import os

import numpy as np
import pytest

from asdcore.store.cache import Store
from asdcore.store.shards import shard_names
from asdcore.store.shards.shard_index import kept_path

CLIPS = [f"{n:064x}" for n in range(6)]


@pytest.fixture(autouse=True)
def many(monkeypatch):
    """Two shards are many."""
    monkeypatch.setattr(shard_names, "MANY", 1)


@pytest.fixture
def folder(tmp_path):
    """A feature set of three shards, listed once."""
    features = Store(tmp_path).features({})
    for start in (0, 2, 4):
        features.write(CLIPS[start : start + 2], [np.array([start], np.float32)] * 2)
    assert features.held() == set(CLIPS)
    return features.folder


@pytest.fixture
def opened(calls_of):
    """The shards whose names are read."""
    return calls_of(shard_names, "arrow_table")


def held_by_another_process(folder):
    """What a process finds that remembers nothing."""
    shard_names._let_go(folder)
    return set(shard_names.shards_of_clips(folder))


def test_the_next_process_opens_no_shard(folder, opened):
    assert held_by_another_process(folder) == set(CLIPS)
    assert not opened


def test_a_shard_that_changed_is_read_again(folder, opened):
    shard = sorted(folder.glob("*.parquet"))[0]
    os.utime(shard, ns=(1, 1))
    assert held_by_another_process(folder) == set(CLIPS)
    assert opened == [shard]


def test_a_shard_that_went_is_not_known_any_more(folder):
    sorted(folder.glob("*.parquet"))[0].unlink()
    assert len(held_by_another_process(folder)) == len(CLIPS) - 2


def test_a_damaged_table_is_the_same_as_none(folder, opened):
    kept_path(folder).write_bytes(b"PAR1 nothing")
    assert held_by_another_process(folder) == set(CLIPS)
    assert len(opened) == 3


def test_what_is_kept_is_not_believed_when_clips_are_missed(folder, opened):
    shard_names.forget(folder)
    assert set(shard_names.shards_of_clips(folder)) == set(CLIPS)
    assert len(opened) == 3
