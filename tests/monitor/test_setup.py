"""How a monitor of a real detector listens: its windows, its promise, and the command that starts it."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import DataError
from asdcore.monitor.setup import settings_of
from asdcore.portfolio import Windows

RATE = 16000


def sound(seed, pitch, seconds=0.5):
    time = np.arange(round(RATE * seconds)) / RATE
    noise = 0.05 * np.random.default_rng(seed).standard_normal(len(time))
    return 0.2 * np.sin(2 * np.pi * pitch * time) + noise


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the detector of a pump, pump.asd, and a recording of it, night.wav: normal, faulty, normal."""
    home = tmp_path_factory.mktemp("pump")
    for i in range(24):
        path = home / "data" / "pump" / "train" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(i, 440), RATE)
    run = asdcore.run("logmel-knn", home / "data", home / "run", store=home / "store")
    asdcore.freeze(run, home / "pump.json")
    asdcore.export(home / "pump.json", home / "pump.asd")
    parts = [sound(100 + i, 2000 if 6 <= i < 12 else 440) for i in range(24)]
    soundfile.write(home / "night.wav", np.concatenate(parts), RATE)
    return home


@pytest.fixture(scope="module")
def known(home):
    return asdcore.load_detector(home / "pump.asd").known()


def monitor(*arguments, **more):
    return CliRunner().invoke(app, ["monitor", *map(str, arguments)], **more)


def test_windows_are_as_long_as_train_clips_and_the_frozen_threshold_counts(known):
    asked = settings_of(known, "knn")
    assert (asked.seconds, asked.hop, asked.rule.k, asked.rule.n) == (0.5, 0.5, 3, 5)
    assert asked.rule.threshold == known.threshold("knn")
    assert len(asked.normals) == 24


def test_windows_overlap_as_those_that_the_detector_learnt_from(known):
    windows = Windows(seconds=0.5, hop=0.25)
    assert settings_of(known, "knn", windows=windows).hop == 0.25
    assert settings_of(known, "knn", windows=windows, seconds=0.4).hop == 0.4
    assert settings_of(known, "knn", windows=windows, hop=0.5).hop == 0.5


def test_a_promise_sets_the_threshold_by_the_conformal_rank(known):
    scores = np.sort(known.normals("knn")["score"].to_numpy())
    # A window every half second is 7200 an hour; three make an alarm: 480 per hour is one window in five.
    assert settings_of(known, "knn", promise="480 per hour").rule.threshold == scores[20 - 1]


def test_what_so_few_normals_cannot_promise_is_refused_with_what_they_can(known):
    with pytest.raises(DataError, match=r"24 groups of train normals cannot promise 1 per day: that needs 57599") as no:
        settings_of(known, "knn", promise="1 per day")
    possible = str(no.value).partition("--promise '")[2].partition("'")[0]
    assert settings_of(known, "knn", promise=possible).rule.threshold == known.normals("knn")["score"].max()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"seconds": 0.1}, "half a train clip"),
        ({"hop": 0.7}, "to the length of a window"),
        ({"hop": 0.0}, r"a --hop from 0.01 s"),
        ({"hop": 0.00001}, r"a --hop from 0.01 s"),
        ({"hop": float("nan")}, r"a --hop from 0.01 s"),
        ({"seconds": float("inf")}, "86400 s"),
        ({"alarm": "3 of 5"}, "k/n is allowed"),
        ({"alarm": "6/5"}, "1 <= k <= n"),
        ({"promise": "99999 per hour"}, "more alarms than there are windows"),
    ],
)
def test_settings_out_of_range_say_what_is_allowed(known, given, problem):
    with pytest.raises(DataError, match=problem):
        settings_of(known, "knn", **given)


def test_the_command_finds_the_fault_in_a_long_recording_and_says_so_by_its_exit_code(home, tmp_path):
    log = tmp_path / "log.jsonl"
    done = monitor(home / "pump.asd", home / "night.wav", "--log", log, "--keep-audio", 1)
    begin, end, *rest = (json.loads(line) for line in done.stdout.splitlines())
    assert done.exit_code == 1
    assert (begin["event"], end["event"]) == ("alarm begins", "alarm ends")
    assert begin["begin"] <= 3.0 < 6.0 <= end["end"]
    assert soundfile.info(begin["audio"]).duration == 1.0
    assert not [event for event in rest if event["event"].startswith("alarm")]
    assert "Listening: windows of 0.5 s every 0.5 s; 3 of 5 above" in done.stderr
    again = monitor(home / "pump.asd", home / "night.wav", "--log", log)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "Going on after 24 windows" in again.stderr


def test_every_window_has_the_score_that_the_detector_gives_it(home, tmp_path):
    detector = asdcore.load_detector(home / "pump.asd")
    whole, _ = soundfile.read(home / "night.wav", dtype="float32")
    done = monitor(home / "pump.asd", home / "night.wav", "--log", tmp_path / "log", "--hop", 0.25, "--windows")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    windows = [line for line in lines if "score" in line and "event" not in line]
    assert len(windows) == 47
    for line in windows[::9]:
        at = round(line["start"] * RATE)
        assert line["score"] == detector.score(whole[at : at + RATE // 2], RATE).score


def test_raw_samples_on_a_pipe_are_heard(home, tmp_path):
    whole, _ = soundfile.read(home / "night.wav", dtype="int16")
    arguments = ("-", "--log", tmp_path / "log", "--sample-rate", RATE)
    done = monitor(home / "pump.asd", *arguments, input=whole.astype("<i2").tobytes())
    assert done.exit_code == 1
    assert json.loads(done.stdout.splitlines()[0])["recording"] == "stdin"


def test_a_source_that_is_not_there_and_a_pipe_without_a_rate_are_refused(home, tmp_path):
    for arguments, problem in ((("nowhere.wav",), "does not exist"), (("-",), "--sample-rate 16000")):
        done = monitor(home / "pump.asd", *arguments, "--log", tmp_path / "log")
        assert done.exit_code != 0
        assert problem in str(done.exception)
        assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1"])
def test_sound_is_kept_for_a_day_at_most(home, tmp_path, seconds):
    done = monitor(home / "pump.asd", home / "night.wav", "--log", tmp_path / "log", "--keep-audio", seconds)
    assert done.exit_code == 2
    assert "--keep-audio" in done.stderr


def test_a_file_name_that_is_not_text_is_heard_and_told(home, tmp_path):
    name = os.fsdecode(b"M\xfcller.wav")
    (tmp_path / name).write_bytes((home / "night.wav").read_bytes())
    done = monitor(home / "pump.asd", tmp_path / name, "--log", tmp_path / "log")
    assert done.exit_code == 1
    assert json.loads(done.stdout.splitlines()[0])["recording"] == name
    again = monitor(home / "pump.asd", tmp_path / name, "--log", tmp_path / "log")
    assert (again.exit_code, again.stdout) == (0, "")


def test_samples_of_other_channels_or_another_rate_are_refused(home, tmp_path):
    for given, problem in (
        ((RATE, 2), "has 2 channels at .*Name the channel"),
        ((8000, 1), "1 channel at 8000 Hz; .* have 1 channel at 16000 Hz, and only that is heard"),
    ):
        arguments = ("-", "--log", tmp_path / "log", "--sample-rate", given[0], "--channels", given[1])
        done = monitor(home / "pump.asd", *arguments, input=bytes(99))
        assert re.search(problem, str(done.exception))


def test_options_and_places_that_do_not_go_together_are_refused(home, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for arguments, problem in (
        ((home / "night.wav", "--sample-rate", RATE), "leave them out"),
        ((tmp_path / "pipe",), "neither a file nor a folder"),
        ((tmp_path, "--once", "--keep-audio", 1), "Name a --log outside"),
    ):
        done = monitor(home / "pump.asd", *arguments, "--log", tmp_path / "log")
        assert problem in str(done.exception)
        assert not (tmp_path / "log").exists()


def test_the_log_lies_beside_the_folder_that_one_stands_in(home, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    done = monitor(home / "pump.asd", ".", "--once")
    assert "Nothing new, 0 windows" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.monitor.jsonl"]


def test_an_alarm_that_has_not_ended_is_told(home, tmp_path):
    whole, _ = soundfile.read(home / "night.wav")
    soundfile.write(tmp_path / "a.wav", whole[: 5 * RATE], RATE)
    for told in ("10 windows, 1 alarm, alarm 1 goes on", "Going on after 10 windows in .*, alarm 1 goes on"):
        said = monitor(home / "pump.asd", tmp_path / "a.wav").stderr
        assert re.search(told, said), said
