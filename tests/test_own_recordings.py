"""A plant's own recordings, from folders under names of its own to a decision: nothing of a challenge is invented."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app

RATE = 44100


def told_by(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def tone(path, seed, pitch):
    time = np.arange(RATE // 4) / RATE
    noise = 0.05 * np.random.default_rng(seed).standard_normal((2, len(time)))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (0.2 * np.sin(2 * np.pi * pitch * time) + noise).T, RATE, subtype="PCM_24")


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """A folder with one pump's recordings, in which normal and faulty clips share their names, and a run on them."""
    home = tmp_path_factory.mktemp("plant")
    for i in range(24):
        tone(home / "hall" / "pump 7" / "train" / f"Montag {i}.wav", i, 440)
    for i in range(6):
        tone(home / "hall" / "pump 7" / "test" / "good" / f"{i}, 7 Uhr.wav", 100 + i, 440)
        tone(home / "hall" / "pump 7" / "test" / "Lager" / f"{i}, 7 Uhr.wav", 200 + i, 2000)
    run = asdcore.run("logmel-knn", home / "hall", home / "run", store=home / "store")
    return home, run


def test_a_run_needs_no_task_and_says_who_read_the_folders(plant):
    _, run = plant
    assert (run.about["task"], run.about["year"]) == ("folder", 0)
    assert run.clips["split"].value_counts(sort=True).rows() == [("train", 24), ("test", 12)]


def test_recordings_without_labels_are_told_how_many_clips_are_anomalous_and_which_most_of_all(tmp_path):
    for i in range(6):
        tone(tmp_path / "hall" / "train" / f"{i}.wav", i, 440)
        tone(tmp_path / "hall" / "test" / f"{i}.wav", 100 + i, 440 if i else 2000)
    run = ("run", "logmel-knn", "--data", tmp_path / "hall", "--out", tmp_path / "run", "--store", tmp_path / "store")
    said = told_by(*run)
    called = asdcore.load_run(tmp_path / "run").decisions["decision"].sum()
    assert f"knn calls {called} of 6 test clips anomalous, most of all test/0.wav (score " in said
    assert f"Next: asdcore decisions {tmp_path / 'run'}" in said
    shutil.rmtree(tmp_path / "hall" / "test")
    (tmp_path / "hall" / "train" / "phone.m4a").touch()
    said = told_by(*run)
    for step in re.findall("^  asdcore (.*)$", said, re.MULTILINE):
        told_by(*step.replace("FILE.wav", f"{tmp_path}/hall/train/0.wav").split())
    assert "detect" in step
    notes = asdcore.load_run(tmp_path / "run").about["notes"]
    assert "1 recording not read (train/phone.m4a): convert it to WAV or FLAC." in notes


def test_without_domains_there_is_no_official_score_but_auc_recall_and_false_alarms(plant):
    home, run = plant
    told = asdcore.evaluate(run, replicates=100).as_json()
    system = told["systems"]["knn"]
    assert told["year"] is None
    assert "official_score" not in system
    (cell,) = system["cells"]
    assert system["mean_score"] == pytest.approx((cell["auc"] + cell["pauc"]) / 2)
    assert cell["auc"] == cell["recall"] == 1.0
    normal = run.decisions.filter(pl.col("clip").str.contains("/good/"))
    assert cell["false_positive_rate"] == normal["decision"].mean()
    assert not {"auc_source", "auc_target"} & set(cell)
    printed = told_by("evaluate", home / "run", "--replicates", 0)
    assert "Metrics of your own recordings" in printed
    assert "official" not in printed.lower().replace("no challenge's", "")
    assert "false_positive_rate: share of test normals above the threshold." in told_by("decisions", home / "run")


def test_with_both_domains_the_official_cells_exist_and_are_shown(plant, tmp_path):
    home, _ = plant
    domains = {"train": ["source"] * 20 + ["target"] * 4, "test": (["source"] * 3 + ["target"] * 3) * 2}
    rows = []
    for split, of_split in domains.items():
        paths = sorted((home / "hall" / "pump 7" / split).rglob("*.wav"))
        for path, domain in zip(paths, of_split, strict=True):
            label = "" if split == "train" else path.parent.name
            rows.append([path.relative_to(home / "hall").as_posix(), "pump 7", split, domain, label])
    (tmp_path / "hall").mkdir()
    (tmp_path / "hall" / "pump 7").symlink_to(home / "hall" / "pump 7")
    with (tmp_path / "hall" / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "machine", "split", "domain", "label"], *rows])
    run = asdcore.run("logmel-knn", tmp_path / "hall", tmp_path / "run", store=home / "store")
    assert run.about["task"] == "index"
    told = asdcore.evaluate(run, replicates=0).as_json()
    assert told["year"] == 2026
    assert {"auc_source", "auc_target", "pauc"} <= set(told["systems"]["knn"]["cells"][0])


def test_frozen_it_judges_new_recordings_of_any_name(plant, tmp_path):
    _, run = plant
    asdcore.freeze(run, tmp_path / "pump.json")
    for i, pitch in enumerate((440, 2000)):
        tone(tmp_path / "today" / "pump 7" / "new" / f"noch eine, {i}.wav", 300 + i, pitch)
    final = asdcore.infer(tmp_path / "pump.json", tmp_path / "today", tmp_path / "final")
    assert final.decisions.sort("clip")["decision"].to_list() == [0, 1]
    (scores,) = (tmp_path / "final").rglob("anomaly_score_*.csv")
    with scores.open(newline="") as file:
        lines = list(csv.reader(file))
    assert [line[0] for line in lines] == ["pump 7/new/noch eine, 0.wav", "pump 7/new/noch eine, 1.wav"]
    asdcore.export(tmp_path / "pump.json", tmp_path / "pump.asd")
    detector = asdcore.load_detector(tmp_path / "pump.asd")
    audio, rate = soundfile.read(tmp_path / "today" / "pump 7" / "new" / "noch eine, 1.wav", dtype="float32")
    assert detector.score(audio.T, rate).anomalous


def test_nothing_is_submitted_for_recordings_of_no_challenge(plant, tmp_path):
    _, run = plant
    with pytest.raises(asdcore.DataError, match="belong to no challenge"):
        asdcore.package([run], "Doe_Uni", out=tmp_path / "submission")
    with pytest.raises(asdcore.DataError, match="no challenge"):
        asdcore.check_submission(tmp_path, run.about["data"], task="folder")


def test_the_index_of_a_plant_is_listed_and_written_out(plant, tmp_path):
    home, _ = plant
    assert json.loads(told_by("data", "index", home / "hall", "--json"))["reader"] == "folder"
    told_by("data", "index", home / "hall", "--write-index", tmp_path / "clips.csv")
    table = pl.read_csv(tmp_path / "clips.csv", infer_schema=False)
    assert table["label"].value_counts().sort("label").rows() == [(None, 24), ("0", 6), ("1", 6)]


def test_machines_without_a_known_fault_do_not_stop_the_evaluation_of_others(plant, tmp_path, copied):
    home, _ = plant
    pump = home / "hall" / "pump 7"
    copied(pump, tmp_path / "hall" / "pump 7")
    for machine, label in (("fan", "good"), ("mill", "")):
        copied(pump / "train", tmp_path / "hall" / machine / "train")
        copied(pump / "test" / "good", tmp_path / "hall" / machine / "test" / label)
    run = asdcore.run("logmel-knn", tmp_path / "hall", tmp_path / "run", store=home / "store")
    told = asdcore.evaluate(run, replicates=100)
    assert [cell["machine"] for cell in told.systems["knn"].cells] == ["pump 7"]
    lines = told.as_json()["not_judged"]
    assert [line.partition(" is not judged")[0] for line in lines] == ["fan section 00", "mill section 00"]
    assert "note: fan section 00 is not judged" in told_by("evaluate", tmp_path / "run", "--replicates", 0)
    trials = asdcore.run("logmel-knn", tmp_path / "hall", tmp_path / "trials", store=home / "store", trials=2)
    assert len(asdcore.evaluate(trials, replicates=0).systems["knn"].cells) == 1


def test_without_any_fault_nothing_is_measured_and_the_message_says_so(plant, tmp_path, copied):
    home, _ = plant
    copied(home / "hall" / "pump 7" / "train", tmp_path / "fan" / "train")
    copied(home / "hall" / "pump 7" / "test" / "good", tmp_path / "fan" / "test" / "good")
    run = asdcore.run("logmel-knn", tmp_path, tmp_path.with_name("run"), store=home / "store")
    with pytest.raises(asdcore.EvaluationError, match=r"without normal and faulty(.|\n)*fan section 00 is not judged"):
        asdcore.evaluate(run)
    normal = next((tmp_path / "fan" / "test" / "good").iterdir())
    normal.rename(tmp_path / "fan" / "test" / normal.name)  # so one test clip has no label
    run = asdcore.run("logmel-knn", tmp_path, tmp_path.with_name("partly"), store=home / "store")
    with pytest.raises(asdcore.EvaluationError, match=r"does not say of every test clip.*test/normal.*column label"):
        asdcore.evaluate(run)
