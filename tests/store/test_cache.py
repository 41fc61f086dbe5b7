"""The store keeps features by audio digest, and notices what happened to them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from asdcore.errors import StoreError
from asdcore.store.cache import Store, default_store
from asdcore.store.tables import CHUNK_SCORES


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def vectors(n, d=3):
    return [np.arange(d, dtype=np.float32) + 10 * i for i in range(n)]


def test_nothing_is_created_until_something_is_written(store):
    store.sweep()
    assert store.features({"a": 1}).missing(["x"]) == ["x"]
    assert not store.root.exists()


def test_features_come_back_in_the_order_asked_for(store):
    features = store.features({"a": 1})
    features.write(["x", "y"], vectors(2))
    features.write(["z"], vectors(3)[2:])
    np.testing.assert_array_equal(features.load(["z", "x", "x"]), [[20, 21, 22], [0, 1, 2], [0, 1, 2]])


def test_only_new_clips_are_missing(store):
    store.features({"a": 1}).write(["x"], vectors(1))
    assert store.features({"a": 1}).missing(["y", "x", "y", "w"]) == ["y", "w"]
    assert store.features({"a": 2}).missing(["x"]) == ["x"]


def test_writing_a_chunk_twice_changes_nothing(store):
    features = store.features({"a": 1})
    first = features.write(["y", "x"], vectors(2))
    files = {path: path.read_bytes() for path in features.folder.iterdir()}
    assert features.write(["x", "y"], vectors(2)[::-1]) == first
    assert {path: path.read_bytes() for path in features.folder.iterdir()} == files


def test_frames_keep_their_shape(store):
    frames = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    store.features({}).write(["x", "y"], [frames, frames + 1])
    np.testing.assert_array_equal(store.features({}).load(["y"]), [frames + 1])


def test_frames_of_differing_length_are_refused(store):
    store.features({}).write(["x", "y"], [np.zeros((2, 3, 1), np.float32), np.zeros((3, 3, 1), np.float32)])
    with pytest.raises(StoreError, match="2 different shapes.*pooling"):
        store.features({}).load(["x", "y"])


def test_an_interrupted_or_damaged_shard_is_named_with_the_remedy(store):
    store.features({}).write(["x"], vectors(1))
    (shard,) = store.features({}).folder.iterdir()
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"cut short.*rm .*parquet"):
        store.features({}).missing(["x"])
    shard.unlink()
    assert store.features({}).missing(["x"]) == ["x"]


def test_a_changed_value_is_noticed(store):
    store.features({}).write(["x"], vectors(1))
    (shard,) = store.features({}).folder.iterdir()
    metadata = pl.read_parquet_metadata(shard)
    changed = pl.read_parquet(shard).with_columns(values=pl.col("values").list.reverse())
    changed.write_parquet(shard, metadata={k: v for k, v in metadata.items() if not k.startswith("ARROW")})
    with pytest.raises(StoreError, match="has changed since it was written"):
        store.features({}).load(["x"])


def test_scores_are_kept_by_recipe(store):
    frame = pl.DataFrame(
        {"role": ["oof"], "row": [0], "reference": ["pooled"], "fold": [-1], "score": [0.5]},
        schema=CHUNK_SCORES.columns,
    )
    path = store.scores_path({"a": 1})
    store.write_scores(path, frame)
    assert store.read_scores(path).equals(frame)
    assert store.scores_path({"a": 2}) != path


def test_default_store_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ASDCORE_STORE", str(tmp_path / "here"))
    assert default_store() == tmp_path / "here"
    monkeypatch.delenv("ASDCORE_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store() == tmp_path / "asdcore"
