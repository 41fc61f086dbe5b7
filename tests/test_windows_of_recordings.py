"""Long recordings in windows, from a run to a verdict: each step cuts alike and says what it left out."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app

RATE = 16000


def told_by(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def shift(path, seed, seconds, worn_from=None):
    """Write a recording of a machine's noise, with a tone from a second on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * RATE)) / RATE
    sound = 0.05 * np.random.default_rng(seed).standard_normal(len(time))
    if worn_from is not None:
        sound += (time >= worn_from) * 0.3 * np.sin(2 * np.pi * 3000 * time)
    soundfile.write(path, sound, RATE)


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """Four recordings to learn from, one good and one worn, and what the command line says of a run on them."""
    home = tmp_path_factory.mktemp("hall")
    for day in range(4):
        shift(home / "data" / "pump" / "train" / f"day {day}.wav", day, 12.5)
    shift(home / "data" / "pump" / "test" / "good" / "a.flac", 10, 6)
    shift(home / "data" / "pump" / "test" / "worn" / "b.wav", 11, 6, worn_from=0)
    asked = ("--data", home / "data", "--out", home / "run", "--store", home / "store")
    said = told_by("run", "logmel-knn", *asked, "--seconds", 2, "--hop", 1)
    asdcore.freeze(home / "run", home / "pump.json")
    return home, said


def test_a_run_cuts_evaluates_and_says_what_it_left_out(hall):
    home, said = hall
    run = asdcore.load_run(home / "run")
    assert run.about["portfolio"]["windows"] == {"seconds": 2.0, "hop": 1.0}
    assert run.clips["split"].value_counts(sort=True).rows() == [("train", 44), ("test", 10)]
    assert "4 recordings end in a stump shorter than a window of 2 s, which is left out: pump/train/day" in said.stderr
    (left_out,) = run.about["out_of_fold"]
    assert (left_out["by"], left_out["domains"]["source"]["groups"]) == ("recording", 4)
    assert asdcore.evaluate(run, replicates=0).as_json()["systems"]["knn"]["cells"][0]["auc"] == 1.0


def test_a_frozen_run_is_verified_and_recomputed_in_windows(hall):
    home, _ = hall
    assert asdcore.verify(home / "pump.json", recompute=True).passed


def test_inference_and_a_detector_cut_new_recordings_alike(hall, tmp_path):
    home, _ = hall
    new = tmp_path / "today" / "pump" / "test" / "sunday.wav"
    shift(new, 20, 9.3, worn_from=6)
    final = asdcore.infer(home / "pump.json", tmp_path / "today", tmp_path / "final")
    assert any("1 recording ends in a stump" in note for note in final.about["notes"])
    worn = {f"pump/test/sunday.wav#t={s}-{s + 2}" for s in (5, 6, 7)}
    assert worn <= set(final.decisions.filter(decision=1)["clip"])
    asdcore.export(home / "pump.json", tmp_path / "pump.asd")
    said = told_by("detect", tmp_path / "pump.asd", new)
    rows = list(csv.DictReader(said.stdout.splitlines()))
    scores = {row["file"].removeprefix(f"{tmp_path}/today/"): float(row["score"]) for row in rows}
    assert scores == dict(final.decisions.select("clip", "score").rows())
    assert "note:" in said.stderr
    shift(tmp_path / "blip.wav", 21, 0.5)
    said = told_by("detect", tmp_path / "pump.asd", tmp_path / "blip.wav", new, "--json", code=1)
    assert "blip.wav: lasts 0.5 s, and a window 2 s" in said.stderr
    assert len(json.loads(said.stdout)["clips"]) == len(rows)


def test_a_recording_that_cannot_be_read_can_be_left_out(hall, tmp_path):
    home, _ = hall
    test = tmp_path / "today" / "pump" / "test"
    shift(test / "whole.wav", 30, 4)
    shift(test / "cut.wav", 31, 4)
    (test / "cut.wav").write_bytes((test / "cut.wav").read_bytes()[:-5000])
    given = (home / "pump.json", tmp_path / "today", tmp_path / "final")
    with pytest.raises(asdcore.DataError, match=r"cut.wav: cut short, 5000 of the bytes(.|\n)*--skip-unreadable"):
        asdcore.infer(*given)
    final = asdcore.infer(*given, skip_unreadable=True)
    assert final.about["skipped"] == ["pump/test/cut.wav"]
    assert final.decisions.height == 3


def test_what_is_wrong_with_a_recording_is_said_once_for_all_of_its_windows(hall, tmp_path):
    home, _ = hall
    test = tmp_path / "today" / "pump" / "test"
    test.mkdir(parents=True)
    soundfile.write(test / "slow.wav", np.zeros(5 * 8000), 8000)
    with pytest.raises(asdcore.DataError) as error:
        asdcore.infer(home / "pump.json", tmp_path / "today", tmp_path / "final")
    assert str(error.value).count("slow.wav") == 1
    assert re.search(r"slow.wav: it has 1 channel at 8000 Hz; .* \(4 clips of it, from t=0-2 on\)", str(error.value))


def test_labels_of_recordings_hold_for_their_windows(hall, tmp_path):
    home, _ = hall
    for kind, labels in {"data": "a.wav,0\nb.wav,1\n", "domain": "a.wav,0\nb.wav,0\n"}.items():
        folder = tmp_path / f"ground_truth_{kind}"
        folder.mkdir()
        (folder / "ground_truth_pump_section_00_test.csv").write_text(labels)
    told = asdcore.evaluate(home / "run", truth=tmp_path, replicates=0).as_json()
    assert told["systems"]["knn"]["cells"][0]["auc"] == 1.0


def test_a_detector_takes_a_channel_of_a_recording_with_more(hall, tmp_path):
    home, _ = hall
    sound = 0.05 * np.random.default_rng(40).standard_normal((5 * RATE, 2))
    soundfile.write(tmp_path / "two.wav", sound, RATE)
    asdcore.export(home / "pump.json", tmp_path / "pump.asd")
    said = told_by("detect", tmp_path / "pump.asd", tmp_path / "two.wav#channel=2")
    assert said.stdout.count("two.wav#t=") == 4


def test_a_hop_alone_says_what_is_missing(tmp_path):
    done = CliRunner().invoke(
        app, ["run", "logmel-knn", "--data", str(tmp_path), "--out", str(tmp_path / "r"), "--hop", "1"]
    )
    assert "Add --seconds" in str(done.exception)
