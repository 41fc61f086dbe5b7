"""A large table read in portions has the same digest as read whole; what is not as usual is left to be read whole."""

from __future__ import annotations

import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.basics import table_files
from asdcore.store import ordered_tables
from asdcore.store.digests.digest import table_digest
from asdcore.store.ordered_tables import in_portions, ordered_digest, portions
from asdcore.store.tables import CLIP_INDEX, DECISIONS, SYSTEMS, Table, read_digested, write_parquet, write_table

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
ANY = Table("any", ("clip", "n"), {"clip": pl.String, "n": pl.Int32, "x": pl.Float64, "note": pl.String}, ("x", "note"))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Three rows make a portion, and four a group of Parquet, so that portions and groups do not end together."""
    monkeypatch.setattr(ordered_tables, "PORTION", 3)
    monkeypatch.setattr(table_files, "ROW_GROUP", 4)


def decisions(n):
    clips = [f"fan/{i:03d}.wav" for i in range(n)]
    return pl.DataFrame(
        {"clip": clips, "system": "near", "score": [i / 7 for i in range(n)], "threshold": 0.5, "decision": 1},
        schema=DECISIONS.columns,
    )


@settings(deadline=None)  # the first example imports pyarrow
@given(
    rows=st.dictionaries(
        st.tuples(TEXT, st.integers(-9, 9)),
        st.tuples(st.none() | st.floats(allow_nan=False, allow_infinity=False), st.none() | TEXT),
        min_size=1,
        max_size=12,
    )
)
def test_its_digest_is_that_of_the_whole_table(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "any.parquet"
    table = [(*key, *values) for key, values in rows.items()]
    frame = pl.DataFrame(table, schema=ANY.columns, orient="row")
    digest = write_table(ANY, frame, path)
    assert ordered_digest(ANY, path) == digest == read_digested(ANY, path, "")[1]


@pytest.mark.parametrize("sound", [None, "f" * 64])
def test_the_clip_index_with_and_without_columns_that_are_only_there_if_known(tmp_path, sound):
    facts = {"channels": 1, "sample_rate": 16_000, "n_samples": 160_000, "sha256": "a" * 64, "sound": sound}
    names = {"machine": "fan", "section": "00", "split": "train", "domain": None, "attributes": None, "order": None}
    frame = pl.DataFrame(
        [{"clip": f"{i}.wav", **names, **facts, "recording": None} for i in range(7)],
        schema=CLIP_INDEX.columns | {"sound": pl.String},
    )
    digest = write_table(CLIP_INDEX, frame, tmp_path / "clips.parquet")
    assert ordered_digest(CLIP_INDEX, tmp_path / "clips.parquet") == digest


def unsorted(frame):
    return frame[::-1]


def twice(frame):
    return pl.concat([frame, frame[-1:]])


def not_finite(frame):
    return frame.with_columns(score=pl.lit(float("inf")))


def missing(frame):
    return frame.with_columns(threshold=pl.lit(None, pl.Float64))


def without_clip(frame):
    return frame.with_columns(clip=pl.when(pl.col("clip") != "fan/003.wav").then("clip"))


def of_another_type(frame):
    return frame.with_columns(decision=pl.col("decision").cast(pl.Int32))


def with_another_column(frame):
    return frame.with_columns(label=0)


def in_another_order(frame):
    return frame.select(*reversed(frame.columns))


def empty(frame):
    return frame.clear()


@pytest.mark.parametrize(
    "change",
    [
        unsorted,
        twice,
        not_finite,
        missing,
        without_clip,
        of_another_type,
        with_another_column,
        in_another_order,
        empty,
    ],
)
def test_a_table_that_is_not_as_usual_is_left_to_be_read_whole(tmp_path, change):
    path = tmp_path / "decisions.parquet"
    write_table(DECISIONS, decisions(8), path)
    assert ordered_digest(DECISIONS, path)
    changed = change(decisions(8))
    write_parquet(changed, path, table_digest(changed, ("clip",)))
    assert ordered_digest(DECISIONS, path) is None


def test_values_that_were_changed_after_writing_show(tmp_path):
    path = tmp_path / "decisions.parquet"
    digest = write_table(DECISIONS, decisions(8), path)
    write_parquet(decisions(8).with_columns(score=pl.col("score") + 1), path, digest)
    assert ordered_digest(DECISIONS, path) is None


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_what_is_no_table_or_not_there_has_none(tmp_path, content):
    path = tmp_path / "systems.parquet"
    if content is not None:
        path.write_bytes(content)
    assert ordered_digest(SYSTEMS, path) is None


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "systems.parquet")
    assert ordered_digest(SYSTEMS, tmp_path / "systems.parquet") is None


def test_a_file_cut_short_has_none(tmp_path):
    path = tmp_path / "decisions.parquet"
    write_table(DECISIONS, decisions(40), path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        assert ordered_digest(DECISIONS, path) is None, length


@given(sizes=st.lists(st.integers(0, 7)), rows=st.integers(1, 5))
def test_portions_hold_all_rows_in_order_and_are_full_but_the_last(sizes, rows):
    numbers = iter(range(sum(sizes)))
    frames = [pl.DataFrame({"x": [next(numbers) for _ in range(size)]}, schema={"x": pl.Int64}) for size in sizes]
    cut = list(in_portions(iter(frames), rows))
    assert [x for portion in cut for x in portion["x"]] == list(range(sum(sizes)))
    assert all(len(portion) == rows for portion in cut[:-1])
    assert all(0 < len(portion) <= rows for portion in cut)


def test_some_columns_are_read_alone(tmp_path):
    write_table(DECISIONS, decisions(8), tmp_path / "~[1].parquet")
    read = pl.concat(portions(tmp_path / "~[1].parquet", ["decision", "clip"]))
    assert read.select("clip").equals(decisions(8).select("clip"))
    assert set(read.columns) == {"clip", "decision"}
