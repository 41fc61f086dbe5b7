"""New recordings with another gain are named, and louder faults among normal ones are not."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.data.clip_index.levels import FAR, level_note, levels_of, remarks_on_levels

NORMALS = {"clips": 3, "softest": -30.0, "median": -25.0, "loudest": -20.0}


def index(**splits):
    rows = [(f"{split}{i}", "fan", "00", split) for split, count in splits.items() for i in range(count)]
    return pl.DataFrame(rows, schema=["clip", "machine", "section", "split"], orient="row")


def test_the_range_of_train_normals_is_kept_and_unknown_levels_are_not():
    clips = index(train=4, test=2)
    levels = {"train0": -30.0, "train1": -20.0, "train2": -25.0, "test0": 0.0}  # train3 is silent
    assert levels_of(clips, levels) == [{"machine": "fan", "section": "00", **NORMALS}]
    assert levels_of(clips, {}) == []


def test_a_window_has_the_level_of_its_recording():
    windows = ["fan/a.wav#t=0-10", "fan/a.wav#t=10-20"]
    clips = pl.DataFrame({"clip": windows, "machine": "fan", "section": "00", "split": "train"})
    (row,) = levels_of(clips, {"fan/a.wav": -25.0})
    assert (row["clips"], row["softest"], row["loudest"]) == (2, -25.0, -25.0)


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([-25.0], ""),
        ([-20.0 + FAR - 0.1], ""),
        ([-30.0 - FAR + 0.1], ""),
        ([-14.0], "the new clip has -14.0 dB of full scale, 6.0 dB above the loudest of 3 train clips"),
        ([-50.0], "the new clip has -50.0 dB of full scale, 20.0 dB below the softest of 3 train clips"),
        ([-25.0, -24.0, 0.0], ""),  # a loud fault is no gain
        ([-50.0, -45.0, -40.0], "3 new clips have, as their median, -45.0 dB of full scale, 15.0 dB below"),
        ([], ""),
    ],
)
def test_a_level_far_beyond_all_train_normals_is_told(heard, told):
    note = level_note("fan section 00", "new clip", heard, NORMALS)
    assert (told in note) if told else (note == "")


def test_each_machine_is_compared_with_its_own_normals():
    clips = index(train=1, test=2)
    normals = [{"machine": "fan", "section": "00", **NORMALS}]
    (note,) = remarks_on_levels(clips, {"test0": -60.0, "test1": -60.0}, normals)
    assert note.startswith("fan section 00: 2 test clips have")
    assert "gain" in note
    assert list(remarks_on_levels(clips, {"test0": -60.0}, [normals[0] | {"machine": "pump"}])) == []
