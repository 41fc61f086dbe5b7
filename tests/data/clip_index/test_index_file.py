"""A table of recordings to fill in: a row for each, with what is known, and nothing overwritten."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.data.clip_index.index_file import write_index
from asdcore.errors import DataError


@pytest.fixture
def root(tmp_path):
    for name in ("b/y.wav", "x 1.WAV", "notes.txt", ".hidden.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_every_recording_gets_a_row_with_what_is_known(root):
    clips = pl.DataFrame(
        {"clip": ["b/y.wav"], "machine": ["fan"], "split": ["test"], "domain": [None], "sha256": ["0"]}
    )
    truth = pl.DataFrame({"clip": ["b/y.wav"], "label": [1], "domain": ["target"]})
    assert write_index(root, root / "clips.csv", clips.cast({"domain": pl.String}), truth) == 2
    assert (root / "clips.csv").read_text().splitlines() == [
        "path,machine,split,section,domain,label,attributes,start,end,channel,rate,unit,recording,order",
        "b/y.wav,fan,test,,target,1,,,,,,,,",
        "x 1.WAV,,,,,,,,,,,,,",
    ]


def test_the_recording_of_a_test_clip_stands_in_its_row(root):
    clips = {"clip": ["b/y.wav", "x 1.WAV"], "machine": ["fan"] * 2, "split": ["test", "train"]}
    index = pl.DataFrame({**clips, "domain": ["source", None], "recording": [None, "monday"]})
    truth = pl.DataFrame({"clip": ["b/y.wav"], "label": [1], "domain": ["target"]})
    write_index(root, root / "clips.csv", index, truth, {"b/y.wav": "tuesday"})
    rows = pl.read_csv(root / "clips.csv").select("path", "label", "domain", "recording").rows()
    assert rows == [("b/y.wav", 1, "source", "tuesday"), ("x 1.WAV", None, None, "monday")]
    write_index(root, root / "again.csv", index.drop("recording"), None, {"b/y.wav": "tuesday"})
    assert pl.read_csv(root / "again.csv")["recording"].to_list() == ["tuesday", None]


def test_parquet_lists_the_same(root):
    assert write_index(root, root / "clips.parquet", None, None) == 2
    assert pl.read_parquet(root / "clips.parquet")["path"].to_list() == ["b/y.wav", "x 1.WAV"]


def test_recordings_behind_a_link_are_listed(root, tmp_path_factory):
    share = tmp_path_factory.mktemp("share")
    (share / "z.wav").touch()
    (root / "c").symlink_to(share)
    assert write_index(root, root / "clips.parquet", None, None) == 3


def test_nothing_is_overwritten_and_the_ending_says_the_form(root):
    (root / "clips.csv").write_text("mine")
    with pytest.raises(DataError, match="exists, and somebody may have filled it in"):
        write_index(root, root / "clips.csv", None, None)
    with pytest.raises(DataError, match=r"ends in .csv or .parquet"):
        write_index(root, root / "clips.xlsx", None, None)
    with pytest.raises(DataError, match="nothing to list"):
        write_index(root / "b" / "none", root / "new.csv", None, None)
    assert (root / "clips.csv").read_text() == "mine"
