"""Content digests depend on values alone; recipe digests on what is said."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.store.digests.digest import recipe_digest, table_digest

KEY = ("clip",)


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "clip": ["b", "a", "ü"],
            "score": [1.5, None, -0.25],
            "fold": pl.Series([1, 2, None], dtype=pl.Int32),
            "shape": pl.Series([[1, 2], [], [3]], dtype=pl.List(pl.Int32)),
        }
    )


def test_digest_is_the_documented_byte_string():
    table = pl.DataFrame({"clip": ["b", "a"], "score": [1.5, None]})
    said = (2).to_bytes(8, "little")
    said += b"clip\0utf8\0" + bytes([1, 1]) + np.array([1, 1], "<i8").tobytes() + b"ab"
    said += b"score\0float64\0" + bytes([0, 1]) + np.array([0.0, 1.5], "<f8").tobytes()
    assert table_digest(table, KEY) == hashlib.sha256(said).hexdigest()


@given(st.permutations(range(3)))
def test_row_order_does_not_matter(order):
    assert table_digest(frame()[list(order)], KEY) == table_digest(frame(), KEY)


def test_chunks_do_not_matter():
    parts = [frame()[i : i + 1] for i in range(3)]
    assert table_digest(pl.concat(parts, rechunk=False), KEY) == table_digest(frame(), KEY)


def test_parquet_writer_does_not_matter(tmp_path):
    frame().write_parquet(tmp_path / "polars.parquet")
    frame().write_parquet(tmp_path / "pyarrow.parquet", use_pyarrow=True, compression="snappy")
    digests = {table_digest(pl.read_parquet(path), KEY) for path in sorted(tmp_path.iterdir())}
    assert digests == {table_digest(frame(), KEY)}


@pytest.mark.parametrize(
    "change",
    [
        pl.col("score").fill_null(0.0),
        pl.col("score") * (1 + 2.3e-16),
        pl.col("score").alias("z"),
        pl.col("fold").cast(pl.Int64),
        pl.col("clip") + "x",
        pl.col("shape").list.reverse(),
    ],
    ids=["null became 0", "last bit", "column name", "type", "text", "list order"],
)
def test_any_change_of_a_value_changes_the_digest(change):
    changed = frame().with_columns(change)
    assert table_digest(changed.select(sorted(changed.columns)), KEY) != table_digest(
        frame().select(sorted(frame().columns)), KEY
    )


def test_text_cannot_move_between_rows():
    one, other = pl.DataFrame({"clip": ["ab", "c"]}), pl.DataFrame({"clip": ["a", "bc"]})
    assert table_digest(one, KEY) != table_digest(other, KEY)


def test_nan_and_negative_zero_have_one_form():
    values = np.array([np.nan, -0.0])
    other = np.array([-np.nan, 0.0])
    other.view(np.uint64)[0] |= 1  # another bit pattern of NaN
    digests = {table_digest(pl.DataFrame({"clip": ["a", "b"], "x": x}), KEY) for x in (values, other)}
    assert len(digests) == 1


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False, allow_infinity=False)))
)
def test_recipe_digest_ignores_the_order_of_keys(recipe):
    assert recipe_digest(recipe) == recipe_digest(dict(reversed(recipe.items())))
    assert recipe_digest(recipe) == recipe_digest(json.loads(json.dumps(recipe)))


def test_recipe_digest_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="JSON compliant"):
        recipe_digest({"x": float("nan")})
