"""Parts of recordings, listed in a table, from a run to a verdict: every step hears that part and no more."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore.cli.detectors.detector import _verdicts
from asdcore.frozen.rerun.recording_links import others, plant
from asdcore.frozen.rerun.rerun_renamed import run_fresh
from asdcore.runs.folder import PORTFOLIO_FILE

RATE, SECONDS = 16000, 20


def hall(path, seed, worn=()):
    """Write a recording of 20 s: noise, and in some seconds a tone, on the second of two channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.05 * np.random.default_rng(seed).standard_normal((SECONDS * RATE, 2))
    for second in worn:
        time = np.arange(RATE) / RATE
        sound[second * RATE : (second + 1) * RATE, 1] += 0.3 * np.sin(2 * np.pi * 3000 * time)
    soundfile.write(path, sound, RATE)


def described(root, rows):
    lines = ["path,machine,split,start,end,channel,label"]
    lines += [
        f"{name},pump,{split},{second},{second + 1},2,{'worn' if second in worn else 'normal' * (split == 'test')}"
        for name, split, worn in rows
        for second in range(SECONDS)
    ]
    (root / "clips.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def plant_run(tmp_path_factory):
    """Two recordings to learn from and one to judge, in parts of a second, and a run on them."""
    home = tmp_path_factory.mktemp("plant")
    rows = [("monday.wav", "train", ()), ("tuesday.flac", "train", ()), ("friday.wav", "test", (3, 4, 5, 12))]
    for seed, (name, _, worn) in enumerate(rows):
        hall(home / "data" / name, seed, worn)
    described(home / "data", rows)
    run = asdcore.run("logmel-knn", home / "data", home / "run", store=home / "store")
    asdcore.freeze(run, home / "pump.json")
    return home, run


def test_parts_are_scored_one_by_one_and_left_out_by_recording(plant_run):
    _, run = plant_run
    assert run.clips.height == 3 * SECONDS
    assert run.clips["channels"].unique().to_list() == [1]
    told = asdcore.evaluate(run, replicates=0).as_json()["systems"]["knn"]["cells"][0]
    assert told["auc"] == 1.0
    (left_out,) = run.about["out_of_fold"]
    assert (left_out["by"], left_out["domains"]["source"]["groups"]) == ("recording", 2)


def test_a_manifest_pins_every_part_and_sees_a_change_of_its_file(plant_run, tmp_path, copied):
    home, _ = plant_run
    assert asdcore.verify(home / "pump.json").passed
    data = copied(home / "data", tmp_path / "data")
    (data / "new.wav").touch()
    (data / "tuesday.flac").unlink()
    hall(data / "tuesday.flac", 77)
    differences = asdcore.verify(home / "pump.json", data=data).differences
    assert sorted({str(difference).partition("#")[0] for difference in differences}) == [
        "changed: data/tuesday.flac",
        "extra: data/new.wav",
    ]
    assert len(differences) == SECONDS + 1


def test_inference_and_a_detector_hear_parts_of_new_recordings(plant_run, tmp_path):
    home, _ = plant_run
    hall(tmp_path / "today" / "sunday.wav", 9, worn=(7,))
    described(tmp_path / "today", [("sunday.wav", "test", ())])
    final = asdcore.infer(home / "pump.json", tmp_path / "today", tmp_path / "final")
    loud = final.decisions.sort("score")["clip"][-1]
    assert loud == "sunday.wav#t=7-8&channel=2"
    asdcore.export(home / "pump.json", tmp_path / "pump.asd")
    detector = asdcore.load_detector(tmp_path / "pump.asd")
    (scored,), troubles = _verdicts(detector, [tmp_path / "today" / loud], None, None, None)
    assert not troubles
    assert scored.verdict.score == final.decisions.filter(clip=loud)["score"].item()


def test_all_parts_of_a_recording_change_names_together(plant_run, tmp_path):
    home, run = plant_run
    way = others(run.clips)[0]
    plant(home / "data", tmp_path / "data", way.sounds)
    again = run_fresh(run.folder / PORTFOLIO_FILE, tmp_path, "index")
    assert again.scores.drop("fold").equals(run.scores.drop("fold"))
    twins = pl.concat(
        [
            run.clips.filter(split="test"),
            run.clips.filter(split="test").with_columns(clip=pl.col("clip").str.replace("friday", "b")),
        ]
    )
    sounds = others(twins)[0].sounds
    assert sounds["b.wav#t=3-4&channel=2"] == "friday.wav#t=3-4&channel=2"
    assert {len(way.sounds) for way in others(twins)[1:]} == {SECONDS}
