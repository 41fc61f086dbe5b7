"""Recordings cut into windows: every sample once, or as often as windows overlap, and what is left is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.basics.recording_parts import part_of
from asdcore.components.readers import left_out_by, lister_of, year_of
from asdcore.contract.plugins import installed
from asdcore.data.clip_index.clips import looked_at
from asdcore.data.clip_index.windows import WindowedReader, windows_of
from asdcore.data.recordings.audio import inspect_audio
from asdcore.errors import DataError, DatasetError
from asdcore.held_out.plan import HeldOut
from asdcore.held_out.recording_order import places
from asdcore.portfolio import OutOfFold, Windows

RATE = 8000


def lay(root, **seconds):
    """Write recordings of these lengths, named with __ for / and without their ending."""
    for number, (name, length) in enumerate(seconds.items()):
        path = root / f"{name.replace('__', '/')}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = 0.1 * np.random.default_rng(number).standard_normal(round(length * RATE))
        soundfile.write(path, sound, RATE)
    return root


@pytest.fixture
def hall(tmp_path):
    days = {"train__monday": 3.0, "train__tuesday": 2.4, "train__short": 0.7}
    return lay(tmp_path, **days, test__good__a=2.0, test__worn__b=1.25)


def reader(seconds=1.0, hop=None):
    return WindowedReader(installed().build("dataset", "folder", {}), seconds, seconds if hop is None else hop)


def test_windows_lie_side_by_side_and_know_their_recording_and_second(hall):
    windowed = reader()
    index = windowed.clips(hall)
    columns = ("clip", "n_samples", "order", "recording")
    train = index.filter(split="train").select(columns)
    assert train.rows() == [
        *((f"train/monday.wav#t={s}-{s + 1}", RATE, float(s), "train/monday.wav") for s in range(3)),
        *((f"train/tuesday.wav#t={s}-{s + 1}", RATE, float(s), "train/tuesday.wav") for s in range(2)),
    ]
    assert index.filter(split="test").select(columns).rows() == [
        ("test/good/a.wav#t=0-1", RATE, None, None),
        ("test/good/a.wav#t=1-2", RATE, None, None),
        ("test/worn/b.wav#t=0-1", RATE, None, None),
    ]
    assert windowed.notes == [
        "2 recordings end in a stump shorter than a window of 1 s, which is left out: test/worn/b.wav (0.25 s), "
        "train/tuesday.wav (0.4 s).",
        "1 recording is shorter than a window of 1 s, and left out: train/short.wav (0.7 s).",
        "3 test windows of 2 recordings: those of one recording resemble one another, so the intervals of an "
        "evaluation draw whole recordings. They are too narrow if a machine has fewer than about six normal or six "
        "faulty ones; of a single one its windows are drawn.",
    ]


def test_what_the_index_says_of_a_window_is_what_reading_it_says(hall):
    for row in reader(0.5, 0.3).clips(hall).iter_rows(named=True):
        facts = inspect_audio(hall / row["clip"])
        names = ("channels", "sample_rate", "n_samples", "sha256")
        assert {name: row[name] for name in names} == {name: vars(facts)[name] for name in names}


def test_rows_of_a_table_are_cut_and_their_names_stay_apart(hall):
    rows = "path,machine,split,start,end\ntrain/monday.wav,p,train,0.5,3\ntrain/tuesday.wav,p,train,,\n"
    (hall / "clips.csv").write_text(rows)
    index = WindowedReader(installed().build("dataset", "index", {}), 1.0, 1.0).clips(hall)
    assert index["clip"].to_list() == [
        "train/monday.wav#t=0.5-1.5",
        "train/monday.wav#t=1.5-2.5",
        "train/tuesday.wav#t=0-1",
        "train/tuesday.wav#t=1-2",
    ]
    assert index["recording"].to_list() == ["train/monday.wav"] * 2 + ["train/tuesday.wav"] * 2
    for clip, sha256 in index.select("clip", "sha256").rows():
        assert inspect_audio(hall / clip).sha256 == sha256


def test_windows_have_the_unit_of_their_recording(hall):
    (hall / "clips.csv").write_text(
        "path,machine,split,unit\ntrain/monday.wav,p,train,g\ntrain/tuesday.wav,p,train,g\n"
    )
    index = WindowedReader(installed().build("dataset", "index", {}), 1.0, 1.0).clips(hall)
    assert set(index["unit"]) == {"g"}
    assert "unit" not in reader(0.5, 0.3).clips(hall).columns


@settings(max_examples=60)
@given(st.integers(100, 9000), st.integers(10, 2000), st.data())
def test_windows_cover_a_recording_up_to_its_stump(tmp_path_factory, n_samples, length, data):
    hop = data.draw(st.integers(max(1, length // 20), length))
    path = tmp_path_factory.getbasetemp() / "one.wav"
    soundfile.write(path, np.zeros(n_samples), 1000)
    if n_samples < length:
        with pytest.raises(DataError, match=r"one.wav: lasts .* s, and a window"):
            windows_of(path, length / 1000, hop / 1000)
        return
    windows, notes = windows_of(path, length / 1000, hop / 1000)
    stretches = [tuple(int(second * 1000) for second in part_of(window.name).seconds) for window in windows]
    assert stretches == [(start, start + length) for start in range(0, n_samples - length + 1, hop)]
    assert bool(notes) == (stretches[-1][1] < n_samples)


@given(st.lists(st.integers(1, 12), min_size=3, max_size=9), st.integers(2, 6), st.integers(0, 3))
def test_no_fold_has_windows_of_one_recording_on_both_sides(lengths, folds, seed):
    rows = [
        {"clip": f"{r}.wav#t={s}-{s + 1}", "order": float(s), "recording": f"{r}.wav", "sha256": f"{r:02d}{s:02d}"}
        for r, length in enumerate(lengths)
        for s in range(length)
    ]
    fixed = {"machine": "p", "section": "00", "domain": "source", "attributes": None, "split": "train"}
    train = pl.DataFrame([{**fixed, **row} for row in rows]).sort("clip")
    held = HeldOut(places(train, OutOfFold(by="recording")))
    recording = np.array(train["recording"].to_list())
    # The plan names recordings that are so large that nothing would be left: for those there is no such fold.
    large = {recording[list(held.places.group).index(number)] for number in held.too_large.get("source", [])}
    for rows_held, rows_fitted in held.folds(tuple(train["sha256"]), folds, seed):
        assert set(recording[rows_held]) & set(recording[rows_fitted]) <= large
    for i, without in enumerate(held.without or ()):
        mates = set(np.flatnonzero(recording == recording[i]))
        assert recording[i] in large or mates <= set(without)


def test_orders_that_a_reader_gives_stay_above_seconds(hall):
    class Ordered:
        year = 2024

        def clips(self, root):
            order = pl.when(split="train").then(10.0 - pl.col("n_samples") / RATE)
            return installed().build("dataset", "folder", {}).clips(root).with_columns(order=order)

    windowed = WindowedReader(Ordered(), 1.0, 1.0)
    train = windowed.clips(hall).filter(split="train").sort("order")
    assert train["clip"].to_list() == [
        f"train/{day}.wav#t={s}-{s + 1}" for day, n in (("monday", 3), ("tuesday", 2)) for s in range(n)
    ]
    assert train["recording"].null_count() == len(train)
    assert year_of(windowed) == 2024


def test_windows_longer_than_every_recording_are_refused(hall):
    with pytest.raises(
        DatasetError, match="machine section 00: none of its train recordings is as long as a window of 9"
    ):
        reader(9.0).clips(hall)


def test_without_reading_the_headers_tell_and_a_broken_recording_stays_whole(hall):
    (hall / "test" / "good" / "a.wav").write_bytes(b"RIFF")
    _, windowed = lister_of("folder", hall, installed(), Windows(seconds=1.0))
    with looked_at({"test/worn/b.wav#t=0-1": inspect_audio(hall / "test/worn/b.wav#t=0-1")}):
        index = windowed.clips(hall)
    assert index.filter(split="test").select("clip", "n_samples").rows() == [
        ("test/good/a.wav", None),
        ("test/worn/b.wav#t=0-1", RATE),
    ]
    assert left_out_by(windowed, hall)[0].startswith("2 recordings end in a stump")
    assert left_out_by(installed().build("dataset", "folder", {}), hall) == []
