"""asdcore.held_out.run_record: what run.json and notes say of groups or order that do not fit."""

from __future__ import annotations

import polars as pl
import pytest

import asdcore
from asdcore import DatasetError
from asdcore.contract.plugins import Component, installed
from asdcore.data.clip_index.clips import completed
from asdcore.held_out import HeldOut, places
from asdcore.held_out.run_record import record, record_notes
from asdcore.portfolio import OutOfFold


def cell(recordings, *, ordered=True):
    """Train clips of one machine: {domain: the recording of each clip}."""
    rows = [
        {"clip": f"fan/train/{domain}_{i:02d}.wav", "domain": domain, "recording": name, "order": float(i)}
        for domain, names in recordings.items()
        for i, name in enumerate(names)
    ]
    frame = pl.DataFrame(rows).with_columns(machine=pl.lit("fan"), section=pl.lit("00"), split=pl.lit("train"))
    return (frame if ordered else frame.with_columns(order=pl.lit(None, pl.Float64))).sort("clip")


def told(train):
    held = HeldOut(places(train, OutOfFold()))
    return record(held, {}, "fan", "00", {"a": "closed form"}), held


SESSIONS = [f"s{i // 5}" for i in range(30)]


@pytest.mark.parametrize(
    ("ordered", "gap", "instead"),
    [
        (True, 2, "A clip of it is scored without at most 2 neighbours on either side"),
        (False, 0, "A clip of it is scored without itself alone, for no order"),
    ],
)
def test_a_recording_with_all_clips_of_a_domain_is_named_with_what_is_done_instead(ordered, gap, instead):
    row, held = told(cell({"source": SESSIONS, "target": ["t"] * 10}, ordered=ordered))
    assert row["domains"]["source"] == {"clips": 30, "groups": 6}
    assert row["domains"]["target"] == {"clips": 10, "groups": 1, "too_large": 1, "gap": gap}
    (note,) = record_notes([row, row])
    assert note.startswith(
        "one recording holds all or nearly all train clips of a domain, too many to be left out whole"
    )
    assert "(fan section 00: 10 target clips)" in note
    assert instead in note
    target = [rows for rows, domain in zip(held.without, held.places.domain, strict=True) if domain == "target"]
    assert max(map(len, target)) == 1 + 2 * gap


def test_one_recording_of_everything_is_too_large_for_both_domains():
    row, _ = told(cell({"source": ["all"] * 30, "target": ["all"] * 10}))
    notes = record_notes([row])
    assert [note for note in notes if "30 source clips" in note]
    assert [note for note in notes if "10 target clips" in note]


def test_what_holds_of_many_machines_is_one_note():
    def of(machine, section, source, target):
        counts = (
            {"clips": 60, "groups": 5, "range": 7, "gap": source},
            {"clips": 10, "groups": 2, "range": 4, "gap": target},
        )
        return {
            "machine": machine,
            "section": section,
            "by": "neighbours",
            "branches": {"a": "closed form"},
            "domains": dict(zip(("source", "target"), counts, strict=True)),
        }

    said = record_notes([of("fan", "00", 5, 2), of("pump", "01", 7, 2), of("valve", "00", 7, 0)])
    assert said[1:] == [
        "fewer neighbours are left out on either side where else too few clips would remain (fan section 00: of 60 "
        "source clips at most 5, not 7, of 10 target clips at most 2, not 4; pump section 01: of 10 target clips at "
        "most 2, not 4): these scores may still be too low.",
        "train clips of some domains are too few, or too alike, to leave neighbours out (valve section 00: 10 target "
        "clips): each is left out alone, and these scores may be too low.",
    ]


def test_recordings_that_fit_give_no_note():
    row, _ = told(cell({"source": SESSIONS, "target": ["t", "t", "u", "u", "v", "v", "w", "w", "x", "x"]}))
    assert record_notes([row]) == []


class Reader:
    """A dataset reader whose own table says what it is told to say of order and recording."""

    year = 2026

    def __init__(self, say):
        self.say = say

    def clips(self, root):
        index = installed().build("dataset", "dcase2026", {}).clips(root)
        return index.with_columns(**self.say)

    def ground_truth(self, root):
        return None


def read(dataset, **say):
    return completed(Reader(say).clips(dataset))


@pytest.mark.parametrize(
    ("say", "message"),
    [
        ({"recording": pl.lit("one")}, r"a leak, the recording 'one' is cut across the split: .* on one side"),
        ({"recording": pl.lit(7)}, r"its recording is 7, it must be a name, or null if it is unknown \(40 clips of"),
        ({"recording": pl.lit(" ")}, r"its recording is ' ', it must be a name"),
        ({"order": pl.lit("second")}, r"its order is 'second', it must be a number \(an index, or a time in seconds\)"),
        ({"order": pl.lit(float("nan"))}, r"its order is nan, it must be a number"),
        (
            {"order": pl.when(~pl.col("clip").str.contains("source_train_normal_0003")).then(pl.lit(1.0))},
            r"1 of 20 source train clips have no order \(fan/train/.*_0003_spd_0.wav\), the others have one; give it",
        ),
        ({"group": pl.lit("a")}, r"unexpected columns \['group'\].* recording"),
    ],
    ids=["leak", "number", "blank", "word", "nan", "some", "unknown"],
)
def test_an_index_with_a_bad_group_column_is_refused_before_any_work(dataset, say, message):
    with pytest.raises(asdcore.AsdcoreError, match=message):
        read(dataset, **say)


def test_each_machine_s_leak_is_one_line(dataset):
    with pytest.raises(DatasetError) as refused:
        read(dataset, recording=pl.lit("one"))
    assert [line.split(":")[0] for line in refused.value.problems] == ["3DPrinter section 00", "fan section 00"]


@pytest.mark.parametrize(
    ("say", "by"),
    [
        ({"order": pl.lit(None, pl.Float64)}, "clip"),
        ({"order": pl.lit(None, pl.Float64), "recording": pl.col("clip")}, "recording"),
        ({}, "neighbours"),
    ],
    ids=["nothing", "recordings", "order"],
)
def test_a_run_says_so_if_neither_order_nor_recordings_are_known(dataset, simple, tmp_path, monkeypatch, say, by):
    mine = Component("dataset", "mine", lambda: Reader(say), "p", "d", "1", None)
    monkeypatch.setitem(installed()._tables["dataset"], "mine", mine)
    run = asdcore.run(simple, dataset, tmp_path / "run", task="mine")
    assert {row["by"] for row in run.about["out_of_fold"]} == {by}
    notes = [note for note in run.about["notes"] if "neither order nor recording" in note]
    assert [note.split(": ")[0] for note in notes] == ["3DPrinter section 00, fan section 00"] * (by == "clip")
