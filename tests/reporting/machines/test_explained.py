"""Explained clips of a report: the highest ones, by a detector of the run; what cannot be explained is named."""

from __future__ import annotations

import shutil

import pytest

import asdcore
from asdcore.errors import AsdcoreError
from asdcore.explanation import sounds
from asdcore.explanation.in_short import in_short
from asdcore.progress import Silent
from asdcore.reporting.machines import explained
from asdcore.reporting.machines.explained import MOST, check_count, explain_clips, highest
from asdcore.reporting.machines.machines import machine_parts
from asdcore.reporting.reported_runs import open_subjects


def opened(run):
    subject = open_subjects([run], None, None, lambda _: None)[0]
    return subject, list(machine_parts(subject))


@pytest.mark.parametrize("length", ["short", "long"])
def test_the_highest_clips_say_what_a_detector_of_the_run_says(carried, detector, monkeypatch, length):
    if length == "long":
        monkeypatch.setattr(sounds, "is_long", lambda _: True)
        monkeypatch.setattr(sounds, "decode_new", lambda *_: 1 / 0)
    subject, parts = opened(carried.run)
    of_fan = [given for given in parts if given[0] == ("fan", "00") and given[1] == "carried"]
    assert explain_clips(subject, of_fan, 1, Silent()) == []
    ((_, _, part),) = of_fan
    shown = {row["clip"] for row in (*part["top"], *part["tail"]) if "stands_out" in row}
    ((clip, rows),) = highest(part, 1)
    assert shown == {clip}
    assert rows[0]["rank"] == 1
    audio, rate = next((audio, rate) for name, _, _, audio, rate in carried.clips() if name == clip)
    verdict = detector.score(audio, rate, "fan", system="carried")
    expected = in_short(detector, audio, rate, verdict, data=carried.root / "data").sentences()
    assert rows[0]["stands_out"] == expected


def test_a_run_without_recordings_or_store_says_so(carried, tmp_path):
    run = carried.run
    gone = run.about | {"data": str(tmp_path / "gone")}
    vars(run)["about"] = gone
    subject, parts = opened(run)
    (note,) = explain_clips(subject, parts, 3, Silent())
    assert note == "The bands and seconds of run are unknown: its recordings are no longer at hand."
    vars(run)["about"] = gone | {"data": str(carried.root / "data"), "store": str(tmp_path / "gone")}
    subject, parts = opened(run)
    (note,) = explain_clips(subject, parts, 3, Silent())
    assert note.startswith("The bands and seconds of run are unknown: ")


def test_a_recording_that_is_lost_meanwhile_is_named_and_the_others_are_explained(
    carried, detector, tmp_path, monkeypatch
):
    monkeypatch.setattr(explained, "detector_of_run", lambda run, progress: detector)
    shutil.copytree(carried.root / "data", tmp_path / "data")
    run = carried.run
    vars(run)["about"] = run.about | {"data": str(tmp_path / "data")}
    subject, parts = opened(run)
    of_fan = [given for given in parts if given[0] == ("fan", "00") and given[1] == "largest"]
    (lost, _), (_, kept) = highest(of_fan[0][2], 2)
    (tmp_path / "data" / lost).unlink()
    (note,) = explain_clips(subject, of_fan, 2, Silent())
    assert lost in note
    assert kept[0]["stands_out"]


@pytest.mark.parametrize("count", [-1, MOST + 1, True, 1.5, "3"])
def test_a_number_of_clips_that_cannot_be_is_refused(tmp_path, count):
    with pytest.raises(AsdcoreError, match=f"explain is {count!r}; a whole number from 0 to {MOST} is allowed"):
        check_count(count)
    with pytest.raises(AsdcoreError, match="a whole number from 0 to"):
        asdcore.report(tmp_path, explain=count)
