"""The label of a window is that of the recording, or of the stretch of one, that it lies in."""

from __future__ import annotations

import polars as pl

from asdcore.evidence.labels.labels_of_windows import recordings, spread

TRUTH = {"clip": pl.String, "label": pl.Int8, "domain": pl.String}


def index(*clips):
    return pl.DataFrame({"clip": clips, "split": ["test"] * len(clips)})


def test_windows_take_the_label_of_what_they_lie_in():
    truth = pl.DataFrame(
        [
            ("a.wav", 0, "source"),
            ("b.wav#t=0-10&channel=X", 0, None),
            ("b.wav#t=10-&channel=X", 1, None),
            ("b.wav#t=0-10&channel=Y", 1, None),
        ],
        schema=TRUTH,
        orient="row",
    )
    windows = (
        "a.wav#t=0-4",
        "a.wav#t=4-8",
        "b.wav#t=6-10&channel=X",
        "b.wav#t=10-14&channel=X",
        "b.wav#t=0-4&channel=Y",
    )
    labels = spread(truth, index(*windows, "b.wav#t=8-12&channel=X", "c.wav#t=0-4"))
    assert labels.schema == pl.Schema(TRUTH)
    assert labels.rows() == list(zip(windows, (0, 0, 0, 1, 1), ("source", "source", None, None, None), strict=True))


def test_windows_keep_the_recording_that_the_truth_names():
    truth = pl.DataFrame(
        {"clip": ["a.wav", "b.wav"], "label": [0, 1], "domain": [None, None], "recording": ["day", None]}
    )
    labels = spread(truth, index("a.wav#t=0-4", "b.wav#t=0-4"))
    assert labels.select("clip", "recording").rows() == [("a.wav#t=0-4", "day"), ("b.wav#t=0-4", None)]


def test_recordings_stand_once():
    clips = index("x/a.wav#t=0-4", "x/a.wav#t=4-8", "b.wav#t=0-4&channel=1")
    assert recordings(clips)["clip"].to_list() == ["x/a.wav", "b.wav"]
