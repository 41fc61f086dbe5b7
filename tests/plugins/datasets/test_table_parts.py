"""The columns start, end and channel of a table of clips: parts of files, and what a person may get wrong."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import DatasetError
from asdcore_plugins.datasets.table import TableReader

READER = TableReader()
HEADER = "path,machine,split,start,end,channel,label\n"


@pytest.fixture
def table(tmp_path, lay):
    """A function that lays two files of 25 ms and two channels and the rows of a table, and returns their folder."""

    def write(rows, header=HEADER):
        root = lay(tmp_path, "a.wav", "hall/b.flac", channels=2)
        (root / "c.mat").touch()
        (root / "clips.csv").write_text(header + rows)
        return root

    return write


def test_a_row_may_be_a_stretch_or_a_channel_of_a_file(table):
    root = table(
        "a.wav,p,train,,0.010,1,\na.wav,p,train,0.01,,1,\nhall/b.flac,p,test,0,0.02,2,normal\n"
        "hall/b.flac,p,test,0.02,0.025,2,worn\n"
    )
    columns = ("clip", "split", "channels", "n_samples", "order", "recording")
    assert READER.clips(root).select(columns).rows() == [
        ("a.wav#t=0-0.01&channel=1", "train", 1, 160, 0.0, "a.wav"),
        ("a.wav#t=0.01-&channel=1", "train", 1, 240, 0.01, "a.wav"),
        ("hall/b.flac#t=0-0.02&channel=2", "test", 1, 320, None, None),
        ("hall/b.flac#t=0.02-0.025&channel=2", "test", 1, 80, None, None),
    ]
    assert READER.ground_truth(root).rows() == [
        ("hall/b.flac#t=0-0.02&channel=2", 0, None),
        ("hall/b.flac#t=0.02-0.025&channel=2", 1, None),
    ]


def test_the_channels_of_one_file_may_be_machines_of_their_own(table):
    index = READER.clips(table("a.wav,p,train,,,1,\na.wav,q,train,,,2,\n"))
    assert index.select("clip", "machine").rows() == [("a.wav#channel=1", "p"), ("a.wav#channel=2", "q")]
    assert index["sha256"].n_unique() == 2


def test_parquet_may_hold_numbers_with_gaps_as_floats(tmp_path, lay):
    lay(tmp_path, "a.wav", "b.wav", channels=2)
    rows = {"path": ["a.wav", "b.wav"], "machine": ["p", "q"], "split": ["train", "train"]}
    pl.DataFrame({**rows, "channel": [2.0, float("nan")], "end": [0.01, None]}).write_parquet(
        tmp_path / "clips.parquet"
    )
    assert READER.clips(tmp_path)["clip"].to_list() == ["a.wav#t=0-0.01&channel=2", "b.wav"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a.wav,p,train,one,2,,\n", "a.wav: row 2: its start is 'one'; seconds from the beginning of the file"),
        ("a.wav,p,train,,-1,,\n", "row 2: its end is '-1'; seconds"),
        ("a.wav,p,train,0.02,0.01,,\n", "row 2: it starts at 0.02 s and ends at 0.01 s; the end must come after"),
        ("a.wav,p,train,,0,,\n", "it starts at 0 s and ends at 0 s"),
        ("a.wav,p,train,0,1,,\n", "a.wav#t=0-1: ends at 1 s, and the recording lasts 0.025 s"),
        ("hall/b.flac,p,train,,,3,\n", "hall/b.flac#channel=3: has no channel '3'; its channels are counted from 1"),
        ("a.wav,p,train,,0.01,,\na.wav,p,train,,0.010,,\n", "a.wav: row 3: row 2 names it too"),
        (
            "a.wav,p,train,0,0.02,,\na.wav,p,train,0.01,,1,\n",
            "a.wav: rows 2 and 3 overlap (t=0-0.02 and t=0.01-&channel",
        ),
        ("a.wav,p,train,,,,\na.wav,p,train,0.01,,,\n", "rows 2 and 3 overlap"),
        ("gone.wav,p,train,0,1,,\n", "gone.wav: row 2: there is no such file"),
        ("a.wav,p,train,,,1,\na.wav,p,train,,,01,\n", "a.wav: row 3: row 2 names it too"),
        ("a.wav,p,train,,0.02,1,\na.wav,p,train,0.01,,01,\n", "rows 2 and 3 overlap"),
        (
            "c.mat,p,train,,,x,\nc.mat,p,train,,,1,\n",
            "c.mat: row 3 gives a channel by its number (1) and row 2 by its name (x), so the same channel may stand",
        ),
    ],
)
def test_every_mistake_is_named(table, rows, problem):
    with pytest.raises(DatasetError) as refused:
        READER.clips(table(rows))
    assert problem in str(refused.value)


def test_a_recording_in_both_splits_is_a_leak_unless_its_stretches_have_names(table):
    rows = "a.wav,p,train,0,0.01,,\na.wav,p,test,0.02,,,\n"
    with pytest.raises(DatasetError, match=r"a leak, the recording 'a.wav' is cut across the split.*different names"):
        READER.clips(table(rows))
    named = "a.wav,p,train,0,0.01,,,monday\na.wav,p,test,0.02,,,,friday\n"
    index = READER.clips(table(named, HEADER.replace("label", "label,recording")))
    assert index["recording"].to_list() == ["monday", None]
