"""Rows of a table of features name parts of recordings by columns, as a table of clips does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore import DataError
from asdcore.exchange.part_columns import names_of
from asdcore.exchange.recordings import clips_below
from asdcore.portfolio.windows import windows_of
from asdcore.store.cache import Store


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"start": 1, "end": 2.5}, "a.wav#t=1-2.5"),
        ({"start": 1.5, "length": 1.0}, "a.wav#t=1.5-2.5"),
        ({"start": 0.1, "length": 0.2}, "a.wav#t=0.1-0.3"),  # no sum of binary fractions
        ({"start": "1.50", "end": None, "channel": 2}, "a.wav#t=1.5-&channel=2"),
        ({"end": 4}, "a.wav#t=0-4"),
        ({"channel": 2.0}, "a.wav#channel=2"),
        ({"channel": "Accel X", "rate": 12000.0, "unit": "g"}, "a.wav#channel=Accel%20X&rate=12000&unit=g"),
        ({"start": None, "channel": ""}, "a.wav"),
        ({"label": 1}, "a.wav"),
    ],
)
def test_a_row_names_the_part_that_its_columns_say(columns, name):
    frame = pl.DataFrame({"path": ["a.wav"], **{key: [value] for key, value in columns.items()}})
    assert names_of(frame, "path", Path("t.parquet")).to_list() == [name]


def test_a_name_that_says_its_part_is_taken_as_it_is():
    frame = pl.DataFrame({"clip": ["a.wav#t=0-1"], "start": [5]})
    assert names_of(frame, "clip", Path("t.parquet")).to_list() == ["a.wav#t=0-1"]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"start": -1}, "-1 is not a time in seconds"),
        ({"start": float("nan")}, "nan is not a time"),
        ({"start": "noon"}, "'noon' is not a time"),
        ({"end": 3, "length": 2}, "it has an end and a length"),
        ({"rate": "fast"}, "could not convert string to float: 'fast'"),
        ({"rate": 44100.5}, "its rate is 44100.5; allowed are whole numbers from 1 on"),
        ({"channel": 1.5}, "its channel is 1.5; allowed are whole numbers from 1 on"),
        ({"channel": float("nan")}, "its channel is nan"),
        ({"start": [0.0]}, "not a time"),
    ],
)
def test_what_is_no_part_is_one_message_with_its_row(columns, what):
    frame = pl.DataFrame({"path": ["a.wav"], **{key: [value] for key, value in columns.items()}})
    with pytest.raises(DataError, match=rf"t\.parquet, row 1 \(a\.wav\): .*{what}"):
        names_of(frame, "path", Path("t.parquet"))


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """Three recordings of two channels, of which a table makes clips."""
    root = tmp_path_factory.mktemp("hall")
    rng, rows = np.random.default_rng(0), ["path,machine,split,start,end,channel"]
    for day in ("one", "two", "three"):
        soundfile.write(root / f"{day}.wav", 0.1 * rng.standard_normal((16000, 2)), 4000)
        split = "test" if day == "three" else "train"
        rows += [f"{day}.wav,mill,{split},{start},{start + 2},2" for start in (0, 2)]
    (root / "clips.csv").write_text("\n".join(rows))
    return root


def table_of(target, **columns):
    vectors = np.random.default_rng(1).standard_normal((len(columns["path"]), 3)).tolist()
    pl.DataFrame({**columns, "features": vectors}).write_parquet(target)
    return target


def test_features_of_clips_cut_by_a_table_are_imported_and_scored(hall, tmp_path):
    paths, starts = ["one.wav", "two.wav", "three.wav"] * 2, [0, 0, 0, 2, 2, 2]
    table = table_of(tmp_path / "t.parquet", path=paths, start=starts, length=[2.0] * 6, channel=[2] * 6)
    imported = asdcore.import_features(table, "parts", data=hall)
    assert (imported.recordings, imported.shape, imported.unused) == (6, (3,), [])
    branches = {"b": {"encoder": {"name": "imported", "checkpoint": "parts"}, "scorer": "knn"}}
    plan = {"name": "p", "branches": branches, "systems": {"S": {"weights": {"b": 1}}}}
    run = asdcore.run(asdcore.Portfolio.model_validate(plan), hall, tmp_path / "run")
    assert run.systems["clip"].str.contains("#t=").all()


def test_features_of_windows_are_imported_and_others_are_not(hall, tmp_path):
    clips = clips_below(hall, None, Store(tmp_path / "store"), windows_of(1.0))["clip"].to_list()
    table = table_of(tmp_path / "t.parquet", path=[clip.removesuffix("&channel=2") for clip in clips])
    with pytest.raises(DataError, match="has no features of 12 of the 12 clips"):
        asdcore.import_features(table, "windows", data=hall, seconds=1.0)  # which channel, no row says
    table = table_of(tmp_path / "u.parquet", path=clips)
    assert asdcore.import_features(table, "windows", data=hall, seconds=1.0).recordings == 12
    with pytest.raises(DataError, match="has no features of 6 of the 6 clips"):
        asdcore.import_features(table, "windows", data=hall)
    with pytest.raises(DataError, match="Give seconds, too"):
        asdcore.import_features(table, "windows", data=hall, hop=1.0)
    with pytest.raises(DataError, match="data says: the folder"):
        asdcore.import_features(table, "windows", seconds=1.0)


def test_a_file_without_its_ending_is_not_the_first_part_of_it(hall, tmp_path):
    table = table_of(tmp_path / "t.parquet", path=["one", "two", "three"])
    with pytest.raises(DataError, match="None of its names is that of a recording here"):
        asdcore.import_features(table, "whole", data=hall)
    paths = [f"{day}#t={start}-{start + 2}&channel=2" for day in ("one", "two", "three") for start in (0, 2)]
    assert asdcore.import_features(table_of(tmp_path / "u.parquet", path=paths), "short", data=hall).recordings == 6
