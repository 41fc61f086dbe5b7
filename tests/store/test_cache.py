"""The store keeps features by audio digest, and notices what happened to them."""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest

from asdcore.errors import StoreError
from asdcore.store.cache import Store, default_store
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import CHUNK_SCORES, FEATURES, write_parquet


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


SOUND_SHARD = {"audio_sha256": ["a", "b"], "shape": [[2], [2]], "values": [[1.0, 2.0], [3.0, 4.0]]}
BAD_SHARDS = {
    "a shape of other numbers": {"shape": [[2], [3]]},
    "no shape": {"shape": [[2], None]},
    "a null in a shape": {"shape": [[2], [None]]},
    "a free length": {"shape": [[2], [-1]]},
    "no values": {"values": [[1.0, 2.0], None]},
    "a null value": {"values": [[1.0, 2.0], [3.0, None]]},
    "not a number": {"values": [[1.0, 2.0], [3.0, float("nan")]]},
    "infinite": {"values": [[1.0, 2.0], [3.0, float("inf")]]},
    "no name": {"audio_sha256": ["a", None]},
    "a name twice": {"audio_sha256": ["a", "a"]},
}


def sealed_shard(features, columns, schema=FEATURES.columns):
    frame = pl.DataFrame(SOUND_SHARD | columns, schema=schema)
    write_parquet(frame, features.folder / "shard.parquet", table_digest(frame, FEATURES.key))


@pytest.mark.parametrize("columns", BAD_SHARDS.values(), ids=BAD_SHARDS)
def test_a_shard_with_fitting_digest_and_bad_content_is_named(tmp_path, columns):
    features = Store(tmp_path).features({"name": "x"})
    sealed_shard(features, {})
    assert features.load(["b", "a"]).tolist() == [[3.0, 4.0], [1.0, 2.0]]
    features = Store(tmp_path).features({"name": "x"})
    sealed_shard(features, columns)
    with pytest.raises(StoreError, match=r"shard.parquet.* Remove it with 'rm .*shard.parquet' and run again"):
        features.load(["a"])


@pytest.mark.parametrize(
    "schema",
    [
        {"audio_sha256": pl.Int32, "shape": pl.List(pl.Int32), "values": pl.List(pl.Float32)},
        {"audio_sha256": pl.String, "shape": pl.List(pl.Int64), "values": pl.List(pl.Float32)},
        {"audio_sha256": pl.String, "shape": pl.List(pl.Int32), "values": pl.List(pl.Float64)},
    ],
)
def test_a_shard_of_other_types_is_named(tmp_path, schema):
    features = Store(tmp_path).features({"name": "x"})
    sealed_shard(features, {"audio_sha256": [1, 2] if schema["audio_sha256"] == pl.Int32 else ["a", "b"]}, schema)
    for ask in (lambda: features.load(["a"]), lambda: features.content(features.folder / "shard.parquet")):
        with pytest.raises(StoreError, match=r"shard.parquet.* Remove it with 'rm .*shard.parquet' and run again"):
            ask()


def put_pipe(path):
    os.mkfifo(path)


def put_link(path):
    path.symlink_to("nowhere")


def put_folder(path):
    path.mkdir()


@pytest.mark.parametrize("put", [put_pipe, put_link, put_folder])
def test_what_is_not_a_file_in_the_store_is_named(tmp_path, put):
    store = Store(tmp_path)
    features, chunk = store.features({"name": "x"}), store.scores_path({"name": "x"})
    for path in (features.folder / "shard.parquet", chunk):
        path.parent.mkdir(parents=True)
        put(path)
    with pytest.raises(StoreError, match=r"shard.parquet is .*rm .*shard.parquet"):
        features.held()
    with pytest.raises(StoreError, match=rf"{chunk.name}.*rm .*{chunk.name}"):
        store.read_scores(chunk)


SOUND_CHUNK = {
    "role": ["oof", "test"],
    "row": [0, 0],
    "reference": ["pooled"] * 2,
    "fold": [-1, -1],
    "score": [0.5, 1.0],
}
BAD_CHUNKS = {
    "another role": {"role": ["oof", "train"]},
    "a row before the first": {"row": [0, -1]},
    "a fold before the first": {"fold": [-1, -2]},
    "not a number": {"score": [0.5, float("nan")]},
    "infinite": {"score": [0.5, float("inf")]},
    "no score": {"score": [0.5, None]},
    "no role": {"role": ["oof", None]},
    "no reference": {"reference": ["pooled", None]},
    "nothing": {name: [] for name in SOUND_CHUNK},
}


@pytest.mark.parametrize("columns", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_chunk_with_fitting_digest_and_bad_content_is_named(tmp_path, columns):
    store = Store(tmp_path)
    path = store.scores_path({"name": "x"})
    for values in (SOUND_CHUNK, SOUND_CHUNK | columns):
        frame = pl.DataFrame(values, schema=CHUNK_SCORES.columns)
        write_parquet(frame, path, table_digest(frame, CHUNK_SCORES.key))
        if values is SOUND_CHUNK:
            assert len(store.read_scores(path)) == 2
    with pytest.raises(StoreError, match=rf"{path.name}.* Remove it with 'rm .*{path.name}' and run again"):
        store.read_scores(path)
