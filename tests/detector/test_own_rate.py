"""A detector of recordings at 8 kHz in g: what it says of the rate at which it hears them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import DataError

RATE = 8000

PORTFOLIO = """
name = "own"
folds = 3

[branches.knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = "knn"

[systems.own]
weights = { knn = 1.0 }
"""


@pytest.fixture(scope="module")
def own(made_once) -> Path:
    """A folder with data (8 kHz, in g), run, frozen manifest and detector."""

    def make(root: Path) -> None:
        (root / "data").mkdir(parents=True)
        draw = np.random.default_rng(0)
        rows = ["path,machine,split,unit"]
        for i in range(10):
            soundfile.write(root / "data" / f"{i}.wav", 0.1 * draw.standard_normal(RATE), RATE)
            rows.append(f"{i}.wav,motor,{'train' if i < 8 else 'test'},g")
        (root / "data" / "clips.csv").write_text("\n".join(rows))
        (root / "own.toml").write_text(PORTFOLIO)
        asdcore.run(root / "own.toml", data=root / "data", out=root / "run", store=root / "store")
        asdcore.freeze(root / "run", root / "own.json", time="2026-06-01T00:00:00Z")
        asdcore.export(root / "own.json", root / "own.asd")

    return made_once("own_rate", make)


def said(*words: object) -> str:
    """What a command writes, on both streams."""
    return CliRunner().invoke(app, list(map(str, words))).output


NOTE = "at 8000 Hz heard by encoder 'logmel' at 16000 Hz: its bands above 4000 Hz hold no sound"


def test_the_run_its_detector_and_the_commands_that_hear_by_it_say_which_bands_hold_no_sound(own, tmp_path):
    assert any(NOTE in note for note in asdcore.load_run(own / "run").about["notes"])
    assert any(NOTE in note for note in asdcore.load_detector(own / "own.asd").notes)
    assert NOTE in said("export", own / "own.json", "--out", tmp_path / "again.asd")
    assert NOTE in said("detect", own / "own.asd", f"{own}/data/8.wav#unit=g")
    assert NOTE in said("monitor", own / "own.asd", own / "data" / "8.wav", "--log", tmp_path / "log.jsonl")


def test_the_unit_stands_in_the_index_of_the_run_and_in_what_the_detector_knows(own):
    assert asdcore.load_run(own / "run").clips["unit"].to_list() == ["g"] * 10
    kind = asdcore.load_detector(own / "own.asd").known().kind
    assert (kind.unit, kind.sample_rates, kind.channels) == ("g", (8000,), 1)


UNKNOWN = "If its samples are in g, say so: FILE#unit=g, the column unit of clips.csv, or monitor --unit g"


def test_detect_explain_and_python_refuse_another_unit_and_one_that_nothing_says(own):
    detector, (sound, rate) = own / "own.asd", soundfile.read(own / "data" / "8.wav", dtype="float32")
    assert UNKNOWN in said("detect", detector, own / "data" / "8.wav")
    assert "in m/s^2" in said("detect", detector, asdcore.part_name(f"{own}/data/8.wav", unit="m/s^2"))
    with pytest.raises(DataError, match=UNKNOWN):
        CliRunner().invoke(app, ["explain", str(detector), f"{own}/data/8.wav"], catch_exceptions=False)
    assert "motor" in said("detect", detector, f"{own}/data/8.wav#unit=g")
    loaded = asdcore.load_detector(detector)
    with pytest.raises(
        DataError, match=r"at 8000 Hz in m/s\^2; the train clips of motor.* in g.* Convert its samples to g"
    ):
        loaded.score(sound, rate, unit="m/s^2")
    assert loaded.score(sound, rate, unit="g") == loaded.score(sound, rate), "who gives an array vouches for its unit"


def test_monitor_refuses_as_detect_does_unless_the_unit_of_what_does_not_say_it_is_given(own, tmp_path):
    asked = ("monitor", own / "own.asd", own / "data" / "8.wav", "--log")
    with pytest.raises(DataError, match=UNKNOWN):
        CliRunner().invoke(app, [*map(str, asked), str(tmp_path / "a")], catch_exceptions=False)
    assert "1 window," in said(*asked, tmp_path / "b", "--unit", "g")


def test_infer_refuses_test_clips_in_another_unit(own, tmp_path):
    shutil.copytree(own / "data", tmp_path / "data")
    table = tmp_path / "data" / "clips.csv"
    table.write_text(table.read_text().replace("8.wav,motor,test,g", "8.wav,motor,test,Pa"))
    places = {"data": tmp_path / "data", "frozen_data": own / "data", "run": own / "run", "store": own / "store"}
    with pytest.raises(DataError) as refused:
        asdcore.infer(own / "own.json", out=tmp_path / "out", **places)
    assert "8.wav" in str(refused.value)
    assert "Pa" in str(refused.value)


def test_a_detector_from_before_units_were_kept_hears_any(own):
    loaded = asdcore.load_detector(own / "own.asd")
    loaded._frozen.clips = loaded._frozen.clips.drop("unit")
    sound, rate = soundfile.read(own / "data" / "8.wav", dtype="float32")
    assert loaded.known().kind.unit is None
    assert loaded.score(sound, rate, unit="Pa").score == asdcore.load_detector(own / "own.asd").score(sound, rate).score
