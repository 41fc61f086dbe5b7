"""A monitor hears every window once, raises every alarm once, and goes on where it was stopped, wherever that was."""

from __future__ import annotations

import errno
import json
import os
import random
import re

import numpy as np
import pytest
import soundfile

from asdcore.errors import DataError
from asdcore.monitor import sources
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


def heard(log, name):
    lines = map(json.loads, log.read_text().splitlines())
    return [line["start"] for line in lines if line["kind"] == "window" and line["recording"] == name]


def test_a_recording_that_another_has_replaced_is_heard_too(tmp_path, recording, start):
    path = recording(tmp_path / "in" / "a.wav", [QUIET] * 3)
    for peaks, time, notes, windows in (([QUIET] * 3, 1, 0, 3), ([QUIET] * 3, 2, 0, 3), ([LOUD] * 4, 3, 1, 7)):
        os.utime(recording(path, peaks), (time, time))
        events = listened(start(tmp_path / "log"), Folder(tmp_path / "in", once=True))
        told = [event["text"] for event in events if event["event"] == "note"]
        assert told == ["a.wav was replaced since it was heard; the new one is heard too"] * notes
        assert len(heard(tmp_path / "log", "a.wav")) == windows
    assert alarms(events) == ALL[:1]
    assert events[1]["begin"] == 0.75


def test_a_recording_that_is_replaced_after_a_kill_is_heard_from_its_begin(tmp_path, recording, start):
    path = recording(tmp_path / "a.wav", [QUIET] * 3)
    monitor = start(tmp_path / "log", judge=killed_at_the(2))
    with pytest.raises(KeyboardInterrupt):
        listened(monitor, File(path))
    monitor.journal.close()
    events = listened(start(tmp_path / "log"), File(recording(path, [LOUD] * 2)))
    assert heard(tmp_path / "log", "a.wav") == [0.0, 0.0, 0.25]
    assert events[0]["text"] == "a.wav was replaced before all of it was heard; the new one is heard"
    assert events[1]["begin"] == 0.25


def test_a_recording_goes_on_where_it_was_left_though_another_comes_first_now(tmp_path, recording, start):
    os.utime(recording(tmp_path / "in" / "b.wav", [QUIET] * 3), (2, 2))
    monitor = start(tmp_path / "log", judge=killed_at_the(3))
    with pytest.raises(KeyboardInterrupt):
        listened(monitor, Folder(tmp_path / "in", once=True))
    monitor.journal.close()
    os.utime(recording(tmp_path / "in" / "a.wav", [QUIET] * 2), (1, 1))
    listened(start(tmp_path / "log"), Folder(tmp_path / "in", once=True))
    assert heard(tmp_path / "log", "a.wav") == [0.0, 0.25]
    assert heard(tmp_path / "log", "b.wav") == [0.0, 0.25, 0.5]


def killed_at_the(window):
    from tests.monitor.conftest import _judge

    count = iter(range(1, window))

    def judge(sound, rate):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return _judge(sound, rate)

    return judge


def test_a_recording_that_vanishes_while_it_is_heard_goes_on_when_it_is_back(tmp_path, recording, start, monkeypatch):
    monkeypatch.setattr("asdcore.monitor.sources.BLOCK_S", 0.25)
    path = recording(tmp_path / "in" / "a.wav", PEAKS)
    os.utime(path, (1, 1))
    away = tmp_path / "away.wav"
    events, count = [], 0

    def blocks_until_it_vanishes(sound, *rest):
        nonlocal count
        for block in read(sound, *rest):
            count += 1
            if count == 5:
                path.rename(away)
                raise DataError("its samples end")
            yield block

    read = sources._read
    monkeypatch.setattr(sources, "_read", blocks_until_it_vanishes)
    monitor = start(tmp_path / "log")
    for event in monitor.listen(Folder(tmp_path / "in", once=True, sleep=lambda _: None)):
        events.append(event)
        if "when it is back" in event.get("text", ""):
            away.rename(path)
    monitor.journal.close()
    assert events[0]["text"] == "a.wav cannot be read any more; what is left of it is heard when it is back"
    assert alarms(events) == ALL
    assert heard(tmp_path / "log", "a.wav") == [0.25 * i for i in range(len(PEAKS))]


@pytest.mark.parametrize("error", [soundfile.LibsndfileError(2), OSError(errno.ENOSPC, "No space left on device")])
def test_a_full_disk_stops_no_alarm(tmp_path, recording, start, monkeypatch, error):
    path = recording(tmp_path / "a.wav", PEAKS)

    def write(*_, **__):
        raise error

    monkeypatch.setattr(soundfile, "write", write)
    events = listened(start(tmp_path / "log", seconds_kept=0.5), File(path))
    assert alarms(events) == ALL
    assert re.search("Cannot write .*disk (is )?full", events[0]["audio_problem"])


def test_what_no_window_of_can_be_judged_is_one_note(tmp_path, recording, start):
    def judge(sound, rate):
        raise DataError("every sample is 0")

    (note,) = listened(start(tmp_path / "log", judge=judge), File(recording(tmp_path / "a.wav", [0.0] * 9)))
    assert note["text"] == "a.wav, 0 s: every sample is 0"
    assert len(heard(tmp_path / "log", "a.wav")) == 9


def test_a_misfit_is_passed_over_in_a_folder_and_refused_alone(tmp_path, recording, start):
    path = recording(tmp_path / "in" / "a.wav", [LOUD] * 3)
    for source in (Folder(tmp_path / "in", once=True, settle=0), File(path)):
        monitor = start(tmp_path / "log")
        monitor.misfit = lambda given: f"{given.channels} at {given.sample_rate} is wrong{given.unit}"
        if isinstance(source, Folder):
            (note,) = listened(monitor, source)
            assert note["text"] == "a.wav: 1 at 8000 is wrong; it is passed over"
            (tmp_path / "log").unlink()
        else:
            with pytest.raises(DataError, match=r"a\.wav: 1 at 8000 is wrong\."):
                listened(monitor, source)
            monitor.journal.close()
