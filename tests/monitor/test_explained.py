"""An alarm says what stands out in its window, only if there is time, and an explanation that fails stops no alarm."""

from __future__ import annotations

import json
import random
import types

import pytest

from asdcore.errors import DataError, PluginError
from asdcore.monitor import monitor as listening
from asdcore.monitor.explained import explainer
from asdcore.monitor.sources import File

QUIET, LOUD = 0.1, 0.9
PEAKS = [QUIET] * 4 + [LOUD] * 3 + [QUIET] * 6 + [LOUD, QUIET, LOUD] + [QUIET] * 5


def listened(monitor, path, explain):
    monitor.explain = explain
    events = list(monitor.listen(File(path)))
    monitor.journal.close()
    return events


def peak_of(sound, rate, verdict, scores):
    return {"band": {"hertz": [0.0, rate / 2]}, "peak": float(abs(sound).max()), "score": verdict.score}


def test_the_window_that_raises_an_alarm_is_explained_and_no_other(tmp_path, recording, start):
    path, asked = recording(tmp_path / "night.wav", PEAKS), []

    def explain(*given):
        asked.append(given[1:])
        return peak_of(*given)

    events = listened(start(tmp_path / "log"), path, explain)
    assert len(asked) == 2
    for event in events:
        assert ("explained" in event) == (event["event"] == "alarm begins")
    assert events[0]["explained"]["at"] == 1.25  # the second window above the threshold
    assert events[0]["explained"]["score"] == pytest.approx(LOUD, abs=1e-2)
    written = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event for line in written for event in line.get("events", [])] == events


GROWING = [QUIET] * 3 + [0.6, 0.7, 0.65, 0.8, 0.75, 0.9] + [QUIET] * 6 + [0.8, 0.6, 0.7] + [QUIET] * 5


def test_an_alarm_that_grows_ends_with_the_explanation_of_its_peak(tmp_path, recording, start):
    events = listened(start(tmp_path / "log"), recording(tmp_path / "night.wav", GROWING), peak_of)
    grown_begins, grown_ends, level_begins, level_ends = events
    assert grown_begins["explained"]["at"] == 1.0  # where it became an alarm
    assert grown_ends["explained"]["at"] == grown_ends["peak"] == 2.0
    assert grown_ends["explained"]["score"] == pytest.approx(0.9, abs=1e-2)
    assert level_begins["peak"] == level_ends["peak"] == 3.75 < level_begins["explained"]["at"]
    assert "explained" not in level_ends  # whose peak came before it was an alarm
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["explained"]["at"] for line in lines if "explained" in line] == [1.5, 2.0]


@pytest.mark.parametrize("peaks", [PEAKS, GROWING])
def test_killed_at_any_byte_of_its_journal_it_ends_with_the_same_explanations(tmp_path, recording, start, peaks):
    path = recording(tmp_path / "night.wav", peaks)
    listened(start(tmp_path / "whole"), path, peak_of)
    whole = (tmp_path / "whole").read_bytes()
    for size in sorted(random.Random(1).sample(range(len(whole)), 30)):
        (tmp_path / "log").write_bytes(whole[:size])
        listened(start(tmp_path / "log"), path, peak_of)
        assert (tmp_path / "log").read_bytes() == whole


@pytest.mark.parametrize("kind", [DataError, PluginError])
def test_an_explanation_that_fails_stops_no_alarm(tmp_path, recording, start, kind):
    def fails(*_):
        raise kind("the recording has changed since it was indexed")

    begun = listened(start(tmp_path / "log"), recording(tmp_path / "night.wav", PEAKS), fails)[0]
    assert (begun["event"], begun["explained"]) == (
        "alarm begins",
        {"at": 1.25, "problem": "the recording has changed since it was indexed"},
    )


@pytest.mark.parametrize(("seconds", "scores"), [(0.05, 4), (0.125, 1), (0.25, 0), (0.5, -0.5)])
def test_it_is_told_how_many_scores_fit_before_the_next_window(
    tmp_path, recording, start, monkeypatch, seconds, scores
):
    now, told = [0.0], []
    monkeypatch.setattr(listening, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monitor = start(tmp_path / "log")
    judge = monitor.judge

    def takes_time(sound, rate):
        now[0] += seconds
        return judge(sound, rate)

    monitor.judge = takes_time
    listened(monitor, recording(tmp_path / "night.wav", PEAKS), lambda *given: told.append(given[3]) or {})
    assert told == pytest.approx([scores, scores])


def test_a_detector_explains_with_the_recordings_it_learnt_from(carried, detector):
    _, machine, _, audio, rate = next(row for row in carried.clips() if "anomaly" in row[0])
    verdict = detector.score(audio, rate, machine, system="carried")
    explain = explainer(detector, detector.known(machine), carried.root / "data")
    explained = explain(audio, rate, verdict, float("inf"))
    assert explained["replaced_by"] == "nearest normal"
    assert explained["exact"].keys() == {"knn", "gauss"}
    assert explain(audio, rate, verdict, 0.5) == {"exact": {}, "left_out": "no time to hear the clip again"}
    json.dumps(explained, allow_nan=False)


def test_recordings_that_are_not_at_hand_are_named_before_it_listens(carried, detector, tmp_path):
    with pytest.raises(
        DataError, match=r"lacks 16 of the 16 train normals of fan, such as fan/train/.*or leave it out"
    ):
        explainer(detector, detector.known("fan"), tmp_path)
