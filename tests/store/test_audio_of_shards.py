"""Which shard holds a clip is read once, and again when the shard is written anew."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.store.cache import Store
from asdcore.store.shards import shard_names


@pytest.fixture
def reads(calls_of):
    """The shards whose names are read."""
    return calls_of(shard_names, "arrow_table")


def features(*values):
    return [np.array([value], np.float32) for value in values]


def test_a_shard_is_not_read_again_to_learn_what_it_holds(tmp_path, reads):
    store = Store(tmp_path)
    store.features({}).write(["a" * 64], features(1))
    assert store.features({}).held() == {"a" * 64}
    assert store.features({}).missing(["a" * 64, "b" * 64]) == ["b" * 64]
    assert len(reads) == 1


def test_a_shard_that_was_written_anew_is_read_again(tmp_path):
    store = Store(tmp_path)
    store.features({}).write(["a" * 64], features(1))
    first = store.features({})
    assert first.held() == {"a" * 64}
    shard = next(first.folder.glob("*.parquet"))
    other = Store(tmp_path / "other").features({})
    other.write(["b" * 64, "c" * 64], features(1, 2))
    next(other.folder.glob("*.parquet")).replace(shard)
    assert store.features({}).held() == {"b" * 64, "c" * 64}


def test_features_of_an_empty_clip_keep_the_others_in_place(tmp_path):
    arrays = [np.zeros((0, 2), np.float32), np.arange(4, dtype=np.float32).reshape(2, 2), np.ones((1, 2), np.float32)]
    names = ["c" * 64, "a" * 64, "b" * 64]
    store = Store(tmp_path).features({})
    store.write(names, arrays)
    for name, array in zip(names, arrays, strict=True):
        assert np.array_equal(store.load([name])[0], array)
