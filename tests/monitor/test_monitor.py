"""A monitor hears every window once, raises every alarm once, and goes on where it was stopped, wherever that was."""

from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest
import soundfile

from asdcore.errors import DataError
from asdcore.monitor.sources import File, Folder

QUIET, LOUD = 0.1, 0.9
PEAKS = [QUIET] * 4 + [LOUD] * 3 + [QUIET] * 6 + [LOUD, QUIET, LOUD] + [QUIET] * 5


def listened(monitor, source):
    events = list(monitor.listen(source))
    monitor.journal.close()
    return events


def alarms(events):
    return [(event["event"], event["alarm"]) for event in events if event["event"].startswith("alarm")]


ALL = [("alarm begins", 1), ("alarm ends", 1), ("alarm begins", 2), ("alarm ends", 2)]


def test_a_long_recording_gives_its_alarms_with_their_times(tmp_path, recording, start):
    events = listened(start(tmp_path / "log"), File(recording(tmp_path / "night.wav", PEAKS)))
    assert alarms(events) == ALL
    assert (events[0]["recording"], events[0]["begin"], events[1]["end"]) == ("night.wav", 1.0, 1.75)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["start"] for line in lines if line["kind"] == "window"] == [0.25 * i for i in range(len(PEAKS))]


def test_killed_at_any_byte_of_its_journal_it_ends_with_the_same_journal(tmp_path, recording, start):
    path = recording(tmp_path / "night.wav", PEAKS)
    listened(start(tmp_path / "whole"), File(path))
    whole = (tmp_path / "whole").read_bytes()
    for size in sorted(random.Random(0).sample(range(len(whole)), 100)):
        (tmp_path / "log").write_bytes(whole[:size])
        told = alarms(listened(start(tmp_path / "log"), File(path)))
        assert (tmp_path / "log").read_bytes() == whole
        assert told == ALL[len(ALL) - len(told) :]


def test_an_alarm_goes_on_over_the_files_of_a_folder_and_over_a_restart(tmp_path, recording, start):
    for i, peaks in enumerate(([QUIET, LOUD], [LOUD, LOUD], [QUIET] * 4)):
        path = recording(tmp_path / "in" / f"{i}.wav", peaks)
        os.utime(path, (i, i))
    parts = []
    for _ in range(3):
        monitor = start(tmp_path / "log")
        listening = monitor.listen(Folder(tmp_path / "in", once=True))
        parts += [event for _, event in zip(range(1), listening, strict=False)]
        monitor.journal.close()
    assert alarms(parts) == ALL[:2]
    assert parts[0]["recording"] == "0.wav"
    assert (parts[0]["begin"], parts[1]["end"], parts[1]["ends_in"]) == (0.25, 1.0, "1.wav")


def test_the_same_recording_twice_is_heard_once(tmp_path, recording, start):
    for i, name in enumerate(("a.wav", "b.wav")):
        os.utime(recording(tmp_path / "in" / name, [QUIET] * 3), (i, i))
    (note,) = listened(start(tmp_path / "log"), Folder(tmp_path / "in", once=True))
    assert note["text"] == "b.wav is the same recording as a.wav, which was heard; it is passed over"
    assert listened(start(tmp_path / "log"), Folder(tmp_path / "in", once=True)) == []


def test_a_stump_at_the_end_is_told(tmp_path, recording, start):
    path = recording(tmp_path / "a.wav", [QUIET] * 3)
    sound, rate = soundfile.read(path)
    soundfile.write(path, sound[:-800], rate, subtype="FLOAT")
    (note,) = listened(start(tmp_path / "log"), File(path))
    assert note["text"] == "a.wav: the last 0.15 s are too short for a window"


def test_a_window_that_cannot_be_judged_is_noted_and_the_next_is_heard(tmp_path, recording, start):
    from tests.monitor.conftest import _judge

    def judge(sound, rate):
        if not sound.any():
            raise DataError("every sample is 0")
        return _judge(sound, rate)

    path = recording(tmp_path / "a.wav", [LOUD, 0.0, LOUD])
    events = listened(start(tmp_path / "log", judge=judge), File(path))
    assert [event["event"] for event in events] == ["note", "alarm begins"]
    assert events[0]["text"] == "a.wav, 0.25 s: every sample is 0"


def test_the_sound_before_an_alarm_is_kept(tmp_path, recording, start):
    path = recording(tmp_path / "a.wav", PEAKS)
    events = listened(start(tmp_path / "log", seconds_kept=0.6), File(path))
    kept, rate = soundfile.read(events[0]["audio"])
    whole, _ = soundfile.read(path)
    # The second loud window raises the alarm; it ends at 1.5 s.
    np.testing.assert_array_equal(kept, whole[round(0.9 * rate) : round(1.5 * rate)])
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["alarm-0001.wav", "alarm-0002.wav"]


@pytest.mark.parametrize("kind", ["level", "scores"])
def test_drift_is_an_event_of_its_own(tmp_path, recording, start, kind):
    rng = np.random.default_rng(0)
    quiet = [*(0.1 + 0.01 * rng.random(60)), *(0.4 + 0.01 * rng.random(120))]
    events = listened(start(tmp_path / "log"), File(recording(tmp_path / "a.wav", quiet)))
    drifts = [event for event in events if event["event"] == "drift" and event["of"] == kind]
    assert drifts
    assert drifts[0]["evidence"] >= 100
