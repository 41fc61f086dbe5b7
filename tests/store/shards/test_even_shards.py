"""A shard as usual is read at once, to the same rows and by the same digest as any other."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from asdcore.store.cache import rows_of
from asdcore.store.digests.digest import table_digest
from asdcore.store.shards.even_shards import arrow_table, even_rows
from asdcore.store.tables import FEATURES, write_parquet


def shard(arrays, names=None):
    names = names or [f"{n:02d}ä" for n in range(len(arrays))]
    columns = {
        "audio_sha256": names,
        "shape": [list(array.shape) for array in arrays],
        "values": [np.asarray(array, np.float32).ravel() for array in arrays],
    }
    return pl.DataFrame(columns, schema=FEATURES.columns)


def digest(frame):
    return table_digest(frame, FEATURES.key)


def written(frame, recorded, path):
    """The pyarrow table of a frame's file, with a content digest."""
    write_parquet(frame, path / "shard.parquet", recorded)
    return arrow_table(path / "shard.parquet")


EVEN = [np.arange(6.0).reshape(2, 3) - n for n in range(5)]


@pytest.mark.parametrize("arrays", [EVEN, [np.array([-0.0, 1e-45])], [np.array([2.0])] * 3], ids=["2d", "zero", "1"])
def test_the_rows_and_the_digest_are_those_of_the_careful_way(arrays, tmp_path):
    frame = shard(arrays)
    (read, rows), slow = even_rows(written(frame, digest(frame), tmp_path)), rows_of(frame, "damaged")
    assert read == digest(frame)
    assert list(rows) == list(slow)
    assert all(rows[name].tobytes() == slow[name].tobytes() and rows[name].shape == slow[name].shape for name in slow)


CHANGED = {
    "a value": pl.col("values").list.eval(pl.element() + 1e-6),
    "a name": pl.col("audio_sha256") + "x",
    "a shape": pl.concat_list(pl.lit(3, pl.Int32), pl.lit(2, pl.Int32)).alias("shape"),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_what_is_not_what_was_written_is_left_to_the_careful_way(change, tmp_path):
    frame = shard(EVEN)
    assert even_rows(written(frame.with_columns(change), digest(frame), tmp_path)) is None


UNUSUAL = {
    "two shapes": shard([np.zeros(2), np.zeros((1, 2))]),
    "an empty clip": shard([np.zeros((0, 2)), np.zeros((0, 2))]),
    "not finite": shard([np.array([np.nan]), np.array([0.0])]),
    "out of order": shard([np.zeros(2), np.ones(2)], ["b", "a"]),
    "a clip twice": shard([np.zeros(2), np.zeros(2)], ["a", "a"]),
    "values of another length": shard([np.zeros(2), np.zeros(2)]).with_columns(
        values=pl.Series([[1.0], [1.0, 2.0, 3.0]], dtype=pl.List(pl.Float32))
    ),
    "no clip": shard([]),
    "no value": shard(EVEN).with_columns(values=pl.lit(None, pl.List(pl.Float32))),
    "a value that is missing": shard([np.zeros(1)]).with_columns(values=pl.Series([[None]], dtype=pl.List(pl.Float32))),
    "a length that is missing": shard([np.zeros(1)]).with_columns(shape=pl.Series([[None]], dtype=pl.List(pl.Int32))),
    "a column more": shard(EVEN).with_columns(more=1),
    "another type": shard(EVEN).cast({"values": pl.List(pl.Float64)}),
}


@pytest.mark.parametrize("frame", UNUSUAL.values(), ids=UNUSUAL)
def test_the_unusual_is_left_to_the_careful_way(frame, tmp_path):
    try:
        recorded = digest(frame)
    except TypeError:
        recorded = "none"
    assert even_rows(written(frame, recorded, tmp_path)) is None
