"""A detector of windows: whatever is given to it is cut as what it learnt from, or one of its windows."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import DataError
from asdcore.explanation.explained_file import explain_file

RATE = 8000


def write_days(folder, *names, seed=0):
    """Write days of 3.3 s with two channels; of a machine the second is to be heard."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(3.3 * RATE)) / RATE
    for number, name in enumerate(names):
        noise = 0.03 * np.random.default_rng(seed + number).standard_normal((2, len(time)))
        soundfile.write(folder / f"{name}.wav", (0.2 * np.sin(2 * np.pi * 300 * time) + noise).T, RATE)
    return folder


def table(folder, *rows):
    (folder / "clips.csv").write_text("\n".join(["path,machine,split,channel", *rows]))
    return folder


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """A frozen run of windows of 1 s every half second, of names with the characters that parts have."""
    hall = tmp_path_factory.mktemp("hall")
    days = ("day #1", "day&2", "day%203", "day t=4-5", "day 5")
    write_days(hall / "data", *days)
    rows = [f"{day}.wav,pump,{'test' if day == days[-1] else 'train'},2" for day in days]
    table(hall / "data", *rows)
    portfolio = asdcore.Portfolio(
        name="simple",
        branches={"near_knn": {"encoder": "logmel", "scorer": "knn"}},
        systems={"knn": {"weights": {"near_knn": 1.0}}},
    ).in_windows(1.0, hop=0.5)
    asdcore.run(portfolio, hall / "data", hall / "run", store=hall / "store")
    asdcore.freeze(hall / "run", hall / "frozen.json")
    asdcore.export(hall / "frozen.json", hall / "frozen.asd")
    return hall


def test_new_normals_are_cut_before_a_detector_is_adapted_to_them(hall, tmp_path):
    normals = write_days(tmp_path / "after", *"abcdef", seed=50)
    table(normals, *(f"{day}.wav,pump,train,2" for day in "abcdef"))
    made = asdcore.adapt(hall / "frozen.asd", normals, tmp_path / "n.asd", accept_faults=True, store=hall / "store")
    assert made.clips == 6 * 5
    adapted = asdcore.load_detector(made.path)
    added = {recording["clip"] for recording in adapted.adapted.history[0]["recordings"]}
    assert "a.wav#t=0.5-1.5&channel=2" in added
    done = CliRunner().invoke(app, ["detect", str(made.path), f"{hall}/data/day #1.wav#t=0-2&channel=2"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1 + 3)


@pytest.mark.parametrize("day", ["day #1", "day&2", "day%203", "day t=4-5", "day 5"])
def test_a_window_is_explained_by_its_name(hall, day):
    asked = {"times": 2, "bands": 2, "data": hall / "data"}
    window = f"{day}.wav#t=1-2&channel=2"
    by_run = explain_file(hall / "run", window, **asked, store=hall / "store")
    by_detector = explain_file(hall / "frozen.asd", hall / "data" / window, **asked)
    assert by_run.as_json() == by_detector.as_json()
    assert by_run.verdict.nearest.clip.startswith("day")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("#channel=2", r"lasts 3.3 s, .* windows of 1 s. Name one of them, such as day 5.wav#t=0-1&channel=2;"),
        ("#t=0.5-2&channel=2", r"such as day 5.wav#t=0.5-1.5&channel=2;"),
        ("#t=8-9&channel=2", "begins at 8 s, and the recording lasts 3.3 s"),
        ("#t=0-1&channel=3", "has no channel '3'"),
    ],
)
def test_what_is_no_window_is_not_explained_by_the_threshold_of_windows(hall, part, message):
    with pytest.raises(DataError, match=message):
        explain_file(hall / "frozen.asd", hall / "data" / f"day 5.wav{part}")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("#t=8-9&channel=2", "begins at 8 s, and the recording lasts 3.3 s"),
        ("#t=0-9&channel=2", "ends at 9 s, and the recording lasts 3.3 s"),
        ("#t=1-1&channel=2", "the end must come after the start"),
        ("#channel=3", "has no channel '3'"),
        ("", "the clip has 2 channels; .* (the same of 4 more of its windows)"),
    ],
)
def test_what_is_wrong_with_a_recording_is_said_once(hall, part, message):
    done = CliRunner().invoke(app, ["detect", str(hall / "frozen.asd"), f"{hall}/data/day 5.wav{part}"])
    assert done.exit_code == 1
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("note:"))
    assert all(piece in line for piece in message.split(" .* ")), line
