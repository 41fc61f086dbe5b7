"""monitor: what cannot be heard leaves nothing behind, and what the detector has learnt is named."""

from __future__ import annotations

import errno
import json
import os
import sys
import time

import numpy as np
import pytest
import soundfile

from asdcore.cli import main
from asdcore.cli.detectors.monitor import ROOM_S
from asdcore.cli.output.streams import own_streams
from asdcore.monitor.sources import Folder

MACHINE = ("--machine", "fan")


@pytest.fixture
def monitored(carried, capsys, monkeypatch):
    """A function: listens to a source with the detector; returns exit code, events and what stderr has."""

    def listen(source, *words):
        monkeypatch.setattr("sys.argv", ["asdcore", "monitor", str(carried.path), str(source), *MACHINE, *words])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code or 0, [json.loads(line) for line in out.splitlines()], err

    return listen


@pytest.mark.parametrize(
    ("content", "told"), [(b"", r"empty (0 bytes)"), (b"RIFF" + bytes(99), "bad.wav"), (None, "2000 Hz")]
)
def test_a_recording_that_cannot_be_heard_leaves_no_log_behind(monitored, tmp_path, content, told):
    path = tmp_path / "bad.wav"
    if content is None:
        soundfile.write(
            path, np.random.default_rng(0).normal(scale=0.1, size=(900, 2)), 2000
        )  # no rate that was learnt
    else:
        path.write_bytes(content)
    code, events, err = monitored(path)
    assert (code, events) == (2, [])
    assert told in err
    assert [found.name for found in tmp_path.iterdir()] == ["bad.wav"]


def test_a_log_of_before_stays_if_nothing_can_be_heard(monitored, carried, tmp_path):
    clip = next((carried.root / "data" / "fan" / "test").iterdir())
    log = tmp_path / "log"
    monitored(clip, "--log", str(log))
    before = log.read_bytes()
    (tmp_path / "bad.wav").write_bytes(b"")
    assert monitored(tmp_path / "bad.wav", "--log", str(log))[0] == 2
    assert log.read_bytes() == before


def test_what_the_detector_has_learnt_is_named_once_for_each_recording(monitored, carried, tmp_path):
    train = sorted((carried.root / "data" / "fan" / "train").iterdir())[:2]
    test = sorted((carried.root / "data" / "fan" / "test").iterdir())[0]
    sounds = [soundfile.read(path)[0] for path in (test, *train)]
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "a.flac", sounds[1], 16000)  # another file of the same sound
    soundfile.write(folder / "b.wav", np.concatenate(sounds), 16000)
    soundfile.write(folder / "c.wav", sounds[0], 16000)
    code, events, _ = monitored(folder, "--once", "--settle", "0", "--log", str(tmp_path / "log"))
    assert code in (0, 1)
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert [note.partition(" of this detector")[0] for note in notes] == [
        f"a.flac: the window at 0 s is the train normal fan/train/{train[0].name}",
        f"b.wav: the window at 0.25 s is the train normal fan/train/{train[0].name}",
    ]
    windows = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    learnt = [(line["recording"], line.get("learnt", "")) for line in windows if line["kind"] == "window"]
    first, second = (f"fan/train/{path.name}" for path in train)
    assert learnt == [("a.flac", first), ("b.wav", ""), ("b.wav", first), ("b.wav", second), ("c.wav", "")]


@pytest.fixture
def full_for_a_while(monkeypatch):
    """The seconds that were waited for room: windows cannot be written until it was waited twice."""
    waited, write = [], os.write

    def full(descriptor, content):
        if content.startswith(b'{"kind":"window"') and len(waited) < 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def stop(_):
    raise KeyboardInterrupt


def test_a_folder_that_is_watched_waits_until_the_disk_of_the_log_has_room(
    monitored, carried, tmp_path, full_for_a_while, monkeypatch
):
    folder, log = tmp_path / "in", tmp_path / "log"
    folder.mkdir()
    clips = sorted((carried.root / "data" / "fan" / "test").iterdir())[:2]
    for clip in clips:
        (folder / clip.name).write_bytes(clip.read_bytes())
    watched = Folder(folder, settle=0.0, sleep=stop)  # who waits for more recordings presses Ctrl-C
    monkeypatch.setattr(sys.modules["asdcore.cli.detectors.monitor"], "_source", lambda *_, **__: watched)
    code, events, _ = monitored(folder, "--log", str(log))
    assert code == 130
    (note,) = [event["text"] for event in events if "disk" in event.get("text", "")]
    assert "the disk is full. Free some space" in note
    assert full_for_a_while == [ROOM_S, ROOM_S]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["recording"] for line in lines if line["kind"] == "recording"} == {clip.name for clip in clips}


def test_a_recording_alone_ends_with_the_disk(monitored, carried, tmp_path, full_for_a_while):
    clip = next((carried.root / "data" / "fan" / "test").iterdir())
    code, _, err = monitored(clip, "--log", str(tmp_path / "log"))
    assert (code, full_for_a_while) == (2, [])
    assert "the disk is full" in err


def test_what_is_waited_for_is_told_on_stderr_if_events_go_to_a_file(monkeypatch, tmp_path, full_for_a_while, capsys):
    wait_for_room = sys.modules["asdcore.cli.detectors.monitor"]._wait_for_room
    with (tmp_path / "events").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with own_streams():
            wait_for_room("Cannot write log: the disk is full.")
            wait_for_room("")
    assert (tmp_path / "events").read_text() == ""
    assert capsys.readouterr().err.count("the disk is full") == 1
    assert full_for_a_while == [ROOM_S, ROOM_S]
