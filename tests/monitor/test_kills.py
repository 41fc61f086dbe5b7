"""A monitor is killed by SIGKILL, a hundred times at any moment, and hears every window and tells every alarm once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import warnings
from pathlib import Path

import pytest
import soundfile

from asdcore.monitor import checkpoint
from asdcore.monitor.journal import in_json
from asdcore.monitor.sources import File, Folder
from tests.monitor.conftest import RATE, _judge

KILLS = 100
QUIET, LOUD = 0.1, 0.9
PEAKS = [*[QUIET] * 4, *[LOUD] * 3, *[QUIET] * 3] * 40
A_WINDOW_S = 0.001


def slow_judge(sound, rate):
    time.sleep(A_WINDOW_S)
    return _judge(sound, rate)


def listen(start, source, log, told):
    """Listen in this process as the command does, appending every event to a file at once."""
    monitor = start(log, judge=slow_judge, seconds_kept=0.5)
    with told.open("ab", buffering=0) as file:
        for event in monitor.listen(source):
            file.write(in_json(event).encode() + b"\n")
    monitor.journal.close()


def killed(start, source, log, told, after):
    """Listen in a process of its own, and kill it after some seconds; returns whether it was still at work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            listen(start, source, log, told)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def lines(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


@pytest.fixture(params=["a long file", "a folder"])
def source(request, recording, tmp_path):
    if request.param == "a long file":
        return File(recording(tmp_path / "night.wav", PEAKS))
    for i in range(0, len(PEAKS), 8):
        path = recording(tmp_path / "in" / f"{i:04d}.wav", PEAKS[i : i + 8])
        sound, _ = soundfile.read(path)
        sound[0] = i / 1e6  # no two are the same recording
        soundfile.write(path, sound, RATE, subtype="FLOAT")
        os.utime(path, (i, i))
    return Folder(tmp_path / "in", once=True, settle=0)


def test_a_hundred_kills_lose_no_window_and_repeat_no_alarm(tmp_path, start, source, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 500)  # every second window or so
    rng = random.Random(0)
    listen(start, source, tmp_path / "whole", tmp_path / "told at once")
    log, told = tmp_path / "log", tmp_path / "told"
    kills = 0
    while kills < KILLS:
        # Mostly within a few windows, so that a hundred kills fit into one recording.
        after = rng.choice([0.004, 0.012]) * rng.random() + rng.choice([0.0, 0.004])
        kills += killed(start, source, log, told, after)
        if len(lines(log)) == len(lines(tmp_path / "whole")):  # done: begin anew
            assert log.read_bytes() == (tmp_path / "whole").read_bytes()
            log, told = tmp_path / f"log {kills}", tmp_path / f"told {kills}"
    listen(start, source, log, told)
    assert log.read_bytes() == (tmp_path / "whole").read_bytes()
    assert list(tmp_path.glob("*.checkpoint"))
    begun = [event["alarm"] for event in lines(told) if event["event"] == "alarm begins"]
    # A kill between the log and the report may keep an alarm from being told; the log has it.
    assert len(set(begun)) == len(begun)
    assert set(begun) <= set(range(1, 41))
    in_log = [event for line in lines(log) for event in line.get("events", []) if event["event"] == "alarm begins"]
    assert [event["alarm"] for event in in_log] == list(range(1, 41))
    assert all(Path(event["audio"]).is_file() for event in in_log)
