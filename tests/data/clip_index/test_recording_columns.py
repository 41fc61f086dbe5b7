"""Order and recordings in the clip index: kept of train clips alone, and wrong ones are named."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.data.clip_index.clips import completed, count_recordings, index_clips
from asdcore.data.clip_index.recording_columns import recording_problems
from asdcore.errors import DatasetError
from asdcore.store.tables import CLIP_INDEX


def rows(n=4, **columns):
    """Train clips of one machine, and one test clip at the end; ``columns`` are lists of n + 1 values."""
    found = []
    for i in range(n + 1):
        split = "train" if i < n else "test"
        row = {"clip": f"fan/{split}/{i}.wav", "machine": "fan", "section": "00", "split": split, "domain": "source"}
        found.append({**row, **{name: values[i] for name, values in columns.items()}})
    return found


def problem(given):
    (line,) = recording_problems(given)
    return line


@pytest.mark.parametrize("order", ["0001", float("nan"), float("inf"), True, [1]])
def test_an_order_that_is_no_number_is_named_once_for_all_clips(order):
    said = problem(rows(order=[order] * 5))
    assert said.startswith("fan/test/4.wav: its order is ")
    assert "a number" in said
    assert "5 clips of fan section 00" in said


@pytest.mark.parametrize("recording", ["", "  ", 3, 1.5])
def test_a_recording_that_is_no_name_is_named(recording):
    said = problem(rows(recording=["a", "a", recording, "b", None]))
    assert said.startswith("fan/train/2.wav: its recording is ")
    assert "it must be a name" in said


@pytest.mark.parametrize("column", ["order", "recording"])
def test_what_only_some_clips_of_a_domain_have_is_named(column):
    value = {"order": 1, "recording": "a"}[column]
    said = problem(rows(**{column: [value, None, value, None, None]}))
    assert f"2 of 4 source train clips have no {column} (fan/train/1.wav, fan/train/3.wav)" in said


def test_one_domain_may_lack_what_the_other_has():
    given = rows(order=[1, 2, None, None, None])
    for row in given[2:4]:
        row["domain"] = "target"
    assert recording_problems(given) == []


def test_a_recording_in_both_splits_is_a_leak():
    said = problem(rows(recording=["a", "b", "b", "b", "b"]))
    assert "a leak" in said
    assert "'b'" in said
    assert "fan/train/1.wav, fan/train/2.wav and 1 more" in said
    assert "fan/test/4.wav" in said
    assert "keep all of a recording on one side" in said


def test_recordings_of_other_machines_and_sections_may_share_a_name():
    given = rows(recording=["a", "a", "b", "b", "a"])
    given[-1]["section"] = "01"
    assert recording_problems(given) == []


def facts(index):
    """Give the clips of an index made by hand their audio facts."""
    audio = {"channels": pl.Int32, "sample_rate": pl.Int32, "n_samples": pl.Int64}
    columns = [pl.lit(1, dtype).alias(name) for name, dtype in audio.items()]
    lacking = [pl.lit(None, pl.String).alias("attributes"), pl.col("clip").alias("sha256")]
    return index.with_columns(*columns, *lacking)


def test_an_index_without_the_columns_gets_nulls_and_no_other_change():
    index = facts(pl.DataFrame(rows()))
    done = completed(index)
    assert done.schema == CLIP_INDEX.columns
    assert done.select(index.columns).equals(index)
    assert done["order"].is_null().all()
    assert done["recording"].is_null().all()


def test_whole_numbers_count_as_numbers_and_test_clips_lose_theirs():
    done = completed(facts(pl.DataFrame(rows(order=[3, 1, 2, 0, 9], recording=["a", "a", "b", "b", "c"]))))
    assert done["order"].to_list() == [3.0, 1.0, 2.0, 0.0, None]
    assert done["recording"].to_list() == ["a", "a", "b", "b", None]
    assert count_recordings(done) == [{"machine": "fan", "section": "00", "train": 4, "ordered": 4, "recordings": 2}]


def test_a_bad_column_of_a_readers_own_table_is_refused_with_the_index():
    index = facts(pl.DataFrame(rows(order=["1", "2", "3", "4", "5"])))
    with pytest.raises(DatasetError, match=r"its order is '\d', it must be a number") as refused:
        completed(index)
    assert len(refused.value.clips) == 5


def test_index_clips_takes_order_and_recording_and_says_all_that_is_wrong(tmp_path):
    given = rows(order=[1, 2, 3, 4, 5], recording=["a", "a", "b", "b", "b"])
    with pytest.raises(DatasetError) as refused:
        index_clips(tmp_path, given)
    lines = refused.value.problems
    assert sum("a leak" in line for line in lines) == 1
    assert len(lines) == 6
    assert refused.value.clips["order"].to_list()[-4:] == [1.0, 2.0, 3.0, 4.0]
    assert refused.value.clips.filter(split="test")["recording"].is_null().all()
