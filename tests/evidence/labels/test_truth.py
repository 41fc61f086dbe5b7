"""Labels come from the names of development recordings, or from files that were given."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
import soundfile

from asdcore.contract.plugins import installed
from asdcore.errors import EvaluationError
from asdcore.evidence.labels.truth import rules_for, truth_of
from asdcore.runs.folder import Run


@pytest.fixture
def run(make_dataset, tmp_path):
    """What a finished run tells of its recordings: where they lay, and their clip index."""
    data = make_dataset(tmp_path / "data", ("fan",), source=2, target=1, test=2)
    done = Run(tmp_path / "run", {"data": str(data), "task": "dcase2026"})
    done.__dict__["clips"] = installed().build("dataset", "dcase2026", {}).clips(data)
    return done


def test_names_of_development_clips_tell(run):
    labels = truth_of(run)
    assert set(labels["clip"]) == set(run.clips.filter(split="test")["clip"])
    for clip, label, domain in labels.iter_rows():
        assert (f"_{domain}_" in clip, "_anomaly_" in clip) == (True, label == 1)


def test_files_come_before_names(run, tmp_path):
    kinds = {"ground_truth_data": ("_anomaly_", "1", "0"), "ground_truth_domain": ("_target_", "1", "0")}
    for folder, (word, yes, no) in kinds.items():
        (tmp_path / "truth" / folder).mkdir(parents=True)
        names = [clip.rpartition("/")[2] for clip in run.clips.filter(split="test")["clip"]]
        lines = [f"{name},{no if word in name else yes}\n" for name in sorted(names)]  # the other way round
        (tmp_path / "truth" / folder / "ground_truth_fan_section_00_test.csv").write_text("".join(lines))
    labels = truth_of(run, tmp_path / "truth")
    for clip, label, domain in labels.iter_rows():
        assert (label, domain) == (int("_normal_" in clip), "source" if "_target_" in clip else "target")


def test_labels_that_are_given_keep_the_recordings_that_the_data_name(tmp_path):
    rows = ["a.wav,pump,train,", "b.wav,pump,test,monday", "c.wav,pump,test,monday", "d.wav,pump,test,"]
    for number, row in enumerate(rows):
        noise = np.random.default_rng(number).normal(scale=0.1, size=8000)
        soundfile.write(tmp_path / row.partition(",")[0], noise, 16000)
    (tmp_path / "clips.csv").write_text("\n".join(["path,machine,split,recording", *rows]))
    done = Run(tmp_path / "run", {"data": str(tmp_path), "task": "index"})
    done.__dict__["clips"] = installed().build("dataset", "index", {}).clips(tmp_path)
    for folder in ("ground_truth_data", "ground_truth_domain"):
        (tmp_path / "truth" / folder).mkdir(parents=True)
        path = tmp_path / "truth" / folder / "ground_truth_pump_section_00_test.csv"
        path.write_text("b.wav,0\nc.wav,1\nd.wav,1\n")
    labels = truth_of(done, tmp_path / "truth")
    told = [("b.wav", 0, "monday"), ("c.wav", 1, "monday"), ("d.wav", 1, None)]
    assert labels.select("clip", "label", "recording").rows() == told
    # Of windows the labels are those of files.
    done.about["portfolio"] = {"windows": {}}
    windows = [pl.format("{}#t={}-{}", pl.col("clip"), pl.lit(k), pl.lit(k + 1)) for k in range(2)]
    done.__dict__["clips"] = pl.concat([done.clips.with_columns(clip=window) for window in windows])
    assert truth_of(done, tmp_path / "truth").select("clip", "recording").sort("clip").head(2).rows() == [
        ("b.wav#t=0-1", "monday"), ("b.wav#t=1-2", "monday"),
    ]  # fmt: skip


def test_recordings_that_are_gone_tell_nothing(run):
    shutil.rmtree(run.about["data"])
    with pytest.raises(EvaluationError, match=r"data are no longer at .* Give the ground truth with --truth"):
        truth_of(run)


def test_without_test_clips_there_is_nothing_to_evaluate(run):
    run.__dict__["clips"] = run.clips.filter(split="train")
    with pytest.raises(EvaluationError, match="has no test clips"):
        truth_of(run)


def test_names_of_evaluation_clips_do_not_tell(run, tmp_path):
    for i, path in enumerate(sorted((tmp_path / "data" / "fan" / "test").iterdir())):
        path.rename(path.with_name(f"section_00_{i:04d}.wav"))
    with pytest.raises(EvaluationError, match=r"do not mark anomalies. Give the ground truth with --truth"):
        truth_of(run)


DOMAINS = ["source", "target"] * 2


@pytest.mark.parametrize(
    ("labels", "domains", "year"),
    [
        ([0, 0, 1, 1], DOMAINS, 2026),
        ([0, 0, 1, 1], [None] * 4, 0),
        ([0, 0, 1, 1], ["source"] * 4, 0),
        ([0, 1, 1, 1], DOMAINS, 0),
        ([0, 0, 0, 0], DOMAINS, 0),
        ([0, 0, 1, 1], ["source", "target", None, "source"], 0),
    ],
)
def test_ones_own_recordings_follow_official_rules_if_all_official_cells_exist(tmp_path, labels, domains, year):
    clips = [f"{i}.wav" for i in range(4)]
    done = Run(tmp_path, {"year": 0})
    done.__dict__["clips"] = pl.DataFrame({"clip": clips, "machine": "fan", "section": "00", "split": "test"})
    truth = pl.DataFrame({"clip": clips, "label": labels, "domain": pl.Series(domains, dtype=pl.String)})
    assert rules_for(done, truth) == year
    assert rules_for(done, truth, 2020) == 2020


def test_files_that_name_clips_cannot_tell_two_of_one_name_apart(run, tmp_path):
    clips = run.clips.with_columns(clip="again/" + pl.col("clip"))
    run.__dict__["clips"] = pl.concat([run.clips, clips])
    (tmp_path / "truth" / "ground_truth_data").mkdir(parents=True)
    name = run.clips.filter(split="test")["clip"][0].rpartition("/")[2]
    for folder in ("ground_truth_data", "ground_truth_domain"):
        (tmp_path / "truth" / folder).mkdir(exist_ok=True)
        (tmp_path / "truth" / folder / "ground_truth_fan_section_00_test.csv").write_text(f"{name},0\n")
    with pytest.raises(EvaluationError, match=r"have the same file name, .* a table clips.csv"):
        truth_of(run, tmp_path / "truth")
