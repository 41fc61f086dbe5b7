"""Known faults weigh branches: none is the default, bad ones are refused, and those that chose do not judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore import DataError, EvaluationError
from asdcore.cli import app
from asdcore.data.clip_index import remembered_facts
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.selection.fault_clips import known_faults
from asdcore.evidence.selection.fault_scores import branch_parts, cell_scores
from asdcore.portfolio import parse_portfolio
from asdcore.runs.folder import load_run

ENCODER = {"name": "logmel", "n_mels": 16}
PLAN = {
    "name": "plan",
    "branches": {
        "near": {"encoder": ENCODER, "scorer": "knn"},
        "gauss": {"encoder": ENCODER, "scorer": "mahalanobis"},
        "shape": {"encoder": {**ENCODER, "pooling": "mean_std"}, "scorer": "knn"},
    },
    "systems": {
        "default": {"weights": {"near": 0.3, "gauss": 1.0}, "fusion": "fisher"},
        "summed": {"weights": {"near": 0.7, "shape": 1.0}},
        "largest": {"weights": {"near": 1.0, "shape": 1.0}, "fusion": "max"},
        "heavy": {"weights": {"near": 0.7, "shape": 1.0}, "fusion": "cauchy"},
        "harmonic": {"weights": {"near": 0.7, "gauss": 1.0}, "fusion": "harmonic"},
        "mirror": {"out_of_fold_mirror_of": "summed"},
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, dataset):
    """A folder with the run ``run`` and its store."""
    folder = tmp_path_factory.mktemp("known")
    asdcore.run(parse_portfolio(PLAN), dataset, folder / "run", store=folder / "store", task="dcase2026")
    return folder


@pytest.fixture
def faults(dataset, tmp_path):
    """A folder of six faults of two kinds: test clips of the run."""
    clips = sorted((dataset / "fan" / "test").glob("*_anomaly_*"))
    for i, clip in enumerate(clips[:6]):
        place = tmp_path / "faults" / "fan" / ("rubbing" if i % 2 else "leak") / clip.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)
    return tmp_path / "faults"


def test_no_fault_leaves_the_default_as_it_is_bit_for_bit(home, dataset, tmp_path):
    (tmp_path / "none").mkdir()
    outcome = asdcore.select(home / "run", known_faults=tmp_path / "none", out=tmp_path / "chosen.json")
    assert outcome.sentence.startswith("No fault is known, so the weights are those of the default, default.")
    run = asdcore.run(tmp_path / "chosen.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    of = {name: run.systems.filter(system=name).drop("system") for name in ("default", "known-faults")}
    assert of["default"].equals(of["known-faults"])
    assert of["default"].equals(load_run(home / "run").systems.filter(system="default").drop("system"))


@pytest.mark.parametrize("system", ["default", "harmonic", "heavy", "summed"])
def test_a_system_grows_with_the_weighted_sum_of_the_parts_of_its_branches(home, system):
    run = load_run(home / "run")
    chosen = (plan := parse_portfolio(run.about["portfolio"])).systems[system]
    parts = branch_parts(run.calibrated, run.clips, list(plan.branches), chosen).filter(role="test").sort("clip")
    weights = [chosen.weights.get(name, 0.0) for name in plan.branches]
    fused = run.systems.filter(system=system, role="test").sort("clip")["score"].to_numpy()
    order = np.argsort(summed := parts.select(list(plan.branches)).to_numpy() @ weights)
    assert (np.diff(fused[order]) > -1e-6).all()
    if system in ("default", "summed"):
        assert summed == pytest.approx(fused, abs=1e-6)


def test_normals_and_faults_have_the_scores_of_the_mirror(home, faults):
    run = load_run(home / "run")
    plan, known = parse_portfolio(run.about["portfolio"]), known_faults(faults, run)
    (cell,) = cell_scores([run], plan.branches, plan.systems["summed"], known)
    weights = np.array([plan.systems["summed"].weights.get(name, 0.0) for name in plan.branches])
    names = run.clips.filter(pl.col("sha256").is_in([fault.sha256 for fault in known])).sort("sha256")["clip"]
    mirrored = dict(run.systems.filter(system="mirror", role="test").select("clip", "score").rows())
    assert (cell.models @ weights).mean(axis=0) == pytest.approx([mirrored[name] for name in names], abs=1e-6)
    normals = run.systems.filter(system="mirror", role="oof").join(run.clips, on="clip").filter(machine="fan")
    assert np.sort(cell.normals @ weights) == pytest.approx(np.sort(normals["score"].to_numpy()), abs=1e-6)


def test_a_fault_that_the_run_has_not_heard_is_scored_as_if_it_had(home, faults, dataset, tmp_path):
    fewer = tmp_path / "fewer"
    shutil.copytree(dataset, fewer)
    for clip in faults.rglob("*.wav"):
        (fewer / "fan" / "test" / clip.name).unlink()
    run = asdcore.run(parse_portfolio(PLAN), fewer, tmp_path / "run", store=tmp_path / "store", task="dcase2026")
    heard, new = (
        cell_scores(
            [each], (plan := parse_portfolio(PLAN)).branches, plan.systems["default"], known_faults(faults, each)
        )
        for each in (load_run(home / "run"), run)
    )
    assert np.array_equal(heard[0].models, new[0].models)
    assert np.array_equal(heard[0].normals, new[0].normals)


def test_clips_that_chose_do_not_judge_and_the_ledger_knows(home, faults, dataset, tmp_path):
    outcome = asdcore.select(home / "run", known_faults=faults, out=tmp_path / "chosen.json", replicates=50)
    assert outcome.looks == 1
    look = asdcore.ledger(home / "store").looks[-1].entry
    assert look["what"] == "6 known faults weigh the branches of plan"
    chosen = json.loads((tmp_path / "chosen.json").read_text())
    assert set(chosen["known_faults"]["faults"].values()) == {"leak", "rubbing"}
    assert chosen["known_faults"]["moved"] == outcome.facts["moved"]
    run = asdcore.run(tmp_path / "chosen.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    left = asdcore.evaluate(run, replicates=0)
    kept = run.clips.filter(~pl.col("sha256").is_in(list(chosen["known_faults"]["faults"])))
    names = set(kept["clip"])
    by_hand = asdcore.evidence.evaluations.evaluate.evaluate_systems(
        *(table.filter(pl.col("clip").is_in(list(names))) for table in (run.systems, run.decisions, run.clips)),
        asdcore.evidence.labels.truth.truth_of(run).filter(pl.col("clip").is_in(list(names))),
        2026,
    )
    assert left.as_json() == by_hand.as_json()
    shown = CliRunner().invoke(app, ["evaluate", str(run.folder), "--replicates", "0"])
    assert "6 test clips that have chosen the weights (known faults) left out." in shown.stdout
    shown = CliRunner().invoke(app, ["evaluate", str(run.folder), "--replicates", "0", "--unknown-machine"])
    assert "6 test clips that have chosen the weights (known faults) left out." in shown.stdout
    assert asdcore.select(run, "criteria", by="tail_ratio").rows


def as_flac(clip, place):
    """Write the sound of a wav as FLAC, and return where."""
    samples, rate = soundfile.read(clip, dtype="int16")
    place.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(place, samples, rate)
    return place


def test_a_copy_in_another_format_is_the_clip_that_it_is_a_copy_of(home, dataset, tmp_path):
    clips = sorted((dataset / "fan" / "test").glob("*_anomaly_*"))[:2]
    for i, clip in enumerate(clips):
        as_flac(clip, tmp_path / "copies" / "fan" / f"{i}.flac")
    asdcore.select(home / "run", known_faults=tmp_path / "copies", out=tmp_path / "chosen.json", replicates=20)
    run = asdcore.run(tmp_path / "chosen.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    assert held_back(run) == {clip.relative_to(dataset).as_posix() for clip in clips}
    train = min((dataset / "fan" / "train").iterdir())
    as_flac(train, tmp_path / "train" / "fan" / "x.flac")
    with pytest.raises(DataError, match=r"1 of 1 known faults are train clips of the run, the first: .* is fan/train"):
        asdcore.select(home / "run", known_faults=tmp_path / "train")
    shutil.copy(clips[0], tmp_path / "copies" / "fan" / "y.wav")
    with pytest.raises(DataError, match="are the same recording. Give each fault once"):
        asdcore.select(home / "run", known_faults=tmp_path / "copies")


def test_what_chose_is_known_in_a_data_set_that_has_it_in_another_format(home, faults, dataset, tmp_path, monkeypatch):
    asdcore.select(home / "run", known_faults=faults, out=tmp_path / "chosen.json", replicates=20)
    for clip in dataset.rglob("*.wav"):
        as_flac(clip, (tmp_path / "flac" / clip.relative_to(dataset)).with_suffix(".flac"))
    run = asdcore.run(tmp_path / "chosen.json", tmp_path / "flac", tmp_path / "run", store=tmp_path / "store")
    assert len(held_back(run)) == 6
    monkeypatch.setattr(remembered_facts, "SETTLED", 0)
    monkeypatch.setattr(remembered_facts, "COARSE", 0)
    shutil.copytree(tmp_path / "flac", tmp_path / "moved")
    again = asdcore.run(tmp_path / "chosen.json", tmp_path / "moved", tmp_path / "again", store=tmp_path / "store")
    assert len(held_back(again)) == 6, "whose features the store has already"


def test_clips_that_chose_stay_left_out_when_their_portfolio_is_chosen_from_again(home, faults, dataset, tmp_path):
    (tmp_path / "leaks" / "fan").mkdir(parents=True)
    (faults / "fan" / "leak").rename(tmp_path / "leaks" / "fan" / "leak")
    asdcore.select(home / "run", known_faults=tmp_path / "leaks", out=tmp_path / "once.json", replicates=20)
    run = asdcore.run(tmp_path / "once.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    assert asdcore.select(run, known_faults=faults, replicates=20).facts["default"] == "default"
    again = {"out": tmp_path / "twice.json", "baseline": "known-faults", "replicates": 20}
    asdcore.select(run, known_faults=faults, **again)
    known = json.loads((tmp_path / "twice.json").read_text())["known_faults"]
    assert sorted(known["faults"].values()) == ["leak"] * 3 + ["rubbing"] * 3
    assert set(json.loads((tmp_path / "twice.json").read_text())["systems"]) == {"known-faults", "known-faults-2"}


def test_a_machine_whose_anomalies_have_all_chosen_cannot_be_judged(home, dataset, tmp_path):
    for clip in (dataset / "fan" / "test").glob("*_anomaly_*"):
        (tmp_path / "all" / "fan").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, tmp_path / "all" / "fan")
    asdcore.select(home / "run", known_faults=tmp_path / "all", out=tmp_path / "chosen.json", replicates=20)
    run = asdcore.run(tmp_path / "chosen.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    with pytest.raises(EvaluationError, match=r"fan section 00: all \d+ anomalous test clips have chosen the weights"):
        asdcore.evaluate(run, replicates=0)


def test_a_submission_of_what_faults_have_chosen_is_refused(home, faults, dataset, tmp_path):
    outcome = asdcore.select(home / "run", known_faults=faults, out=tmp_path / "chosen.json", replicates=20)
    assert "The rules of DCASE 2026 forbid it" in outcome.sentence
    run = asdcore.run(tmp_path / "chosen.json", dataset, tmp_path / "run", store=home / "store", task="dcase2026")
    with pytest.raises(DataError, match="labelled faults have chosen the weights .* the rules of DCASE 2026 forbid"):
        asdcore.package([run], "Doe_Uni", systems=["known-faults"])


def test_a_kind_is_judged_by_the_weights_that_the_others_choose(home, faults, tmp_path):
    outcome = asdcore.select(home / "run", known_faults=faults, replicates=20)
    assert [(row["kind"], row["faults"]) for row in outcome.facts["kinds"]] == [("leak", 3), ("rubbing", 3)]
    assert outcome.facts["optimism"] == pytest.approx(outcome.facts["apparent"] - outcome.facts["out_of_bag"])
    one = next(iter(sorted((faults / "fan" / "leak").iterdir())))
    single = tmp_path / "single" / "fan"
    single.mkdir(parents=True)
    shutil.copy(one, single)
    outcome = asdcore.select(home / "run", known_faults=tmp_path / "single", replicates=20)
    assert (outcome.facts["kinds"], "out_of_bag" in outcome.facts) == ([], False)


def test_a_table_names_faults_as_a_folder_does(home, faults, tmp_path):
    paths = sorted(path.relative_to(faults) for path in faults.rglob("*.wav"))
    rows = {"path": [str(path) for path in paths], "machine": "fan", "kind": [path.parts[1] for path in paths]}
    pl.DataFrame(rows).write_csv(faults / "faults.csv")
    run = load_run(home / "run")
    by_table, by_folder = (known_faults(place, run) for place in (faults / "faults.csv", faults))
    assert [(fault.sha256, fault.kind, fault.section) for fault in by_table] == [
        (fault.sha256, fault.kind, fault.section) for fault in by_folder
    ]


def first(faults: Path) -> Path:
    return min((faults / "fan").rglob("*.wav"))


def test_bad_faults_have_one_message_each(home, faults, dataset, tmp_path):
    run = load_run(home / "run")

    def refused(place, message):
        with pytest.raises(DataError, match=message):
            known_faults(place, run)

    def put(clip, *names):
        place = tmp_path.joinpath(*names)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)
        return tmp_path / names[0]

    train = min((dataset / "fan" / "train").iterdir())
    normal = min((dataset / "fan" / "test").glob("*_normal_*"))
    refused(
        put(train, "a", "fan", "x.wav"), r"1 of 1 known faults are train clips of the run, the first: .* is fan/train"
    )
    refused(
        put(normal, "b", "fan", normal.name), r"1 of 1 known faults are normal clips .* There is no fault among them"
    )
    refused(put(first(faults), "c", "x.wav"), r"which machine is this a fault of\? .* 3DPrinter, fan")
    put(first(faults), "d", "fan", "x.wav")
    refused(put(first(faults), "d", "fan", "y.wav"), "are the same recording. Give each fault once")
    put(first(faults), "e", "fan", "x.wav")
    refused(put(max(faults.rglob("*.wav")), "e", "fan", "leak", "y.wav"), "1 of 2 known faults have no kind")
    refused(tmp_path / "gone", "There are no known faults at")
    (tmp_path / "f.csv").write_text("file,machine\nx.wav,fan\n")
    refused(tmp_path / "f.csv", "lacks the column path; it has file, machine")
    (tmp_path / "g.csv").write_text("path,machine\nx.wav,pump\n")
    refused(tmp_path / "g.csv", "'pump' is not a machine of the run")
    (tmp_path / "h.csv").write_text("path,machine\nx.wav,fan\n")
    refused(tmp_path / "h.csv", "There is no recording")
    (tmp_path / "i.csv").write_text(f"path,machine,label\n{first(faults)},fan,normal\n")
    refused(tmp_path / "i.csv", "1 of 1 known faults are normal clips by name or label")
    rows = pl.DataFrame({"path": [str(first(faults))], "machine": ["fan"]})
    rows.with_columns(label=0.0).write_parquet(tmp_path / "m.parquet")
    refused(tmp_path / "m.parquet", "1 of 1 known faults are normal clips by name or label")
    rows.with_columns(kind=pl.lit(["leak"])).write_parquet(tmp_path / "n.parquet")
    refused(tmp_path / "n.parquet", r"column 'kind' holds List\(String\). Text and numbers are allowed")
    refused(put(normal, "k", "fan", "x.wav"), r"is the test clip fan/test/.* of the run, which is normal by its name")
    refused(
        put(first(faults), "l", "3DPrinter", "x.wav"), r"said to be of 3DPrinter section 00, and is the test clip fan/"
    )
    (tmp_path / "j.csv").write_text(f"path,machine,section\n{first(faults)},fan,07\n")
    refused(tmp_path / "j.csv", r"there is no section 07 of fan\. The run has 00")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sound, rate: (0.0 * sound, rate), "the recording is silent"),
        (lambda sound, rate: (sound[::2], rate // 2), "at 8000 Hz; the train clips of fan section .* 16000 Hz"),
        (lambda sound, rate: (np.repeat(sound, 3, axis=0), rate * 3), "at 48000 Hz; the train clips"),
        (lambda sound, rate: (np.concatenate([sound, sound], axis=1), rate), "channels at 16000 Hz; the train clips"),
    ],
)
def test_a_fault_that_differs_whatever_the_machine_does_chooses_nothing(home, faults, change, said):
    """Every branch hears it, and would be given weight for it."""
    path = sorted(faults.rglob("*.wav"))[0]
    sound, rate = soundfile.read(path, always_2d=True)
    soundfile.write(path, *change(sound, rate))
    with pytest.raises(DataError, match=rf"cannot be compared with the train clips:\n  - .*{path.name}: .*{said}"):
        known_faults(faults, load_run(home / "run"))


def test_what_cannot_be_weighed_is_refused(home, faults, tmp_path):
    with pytest.raises(EvaluationError, match="The default largest fuses by 'max'.* near = 1.0, shape = 1.0"):
        asdcore.select(home / "run", known_faults=faults, baseline="largest")
    with pytest.raises(EvaluationError, match="There is no default 'other' to move away from"):
        asdcore.select(home / "run", known_faults=faults, baseline="other")
    with pytest.raises(EvaluationError, match="Say how to choose: by --protocol"):
        asdcore.select(home / "run")
    with pytest.raises(EvaluationError, match="systems means nothing to a choice by known faults"):
        asdcore.select(home / "run", known_faults=faults, systems=["default"])
    with pytest.raises(DataError, match=r"ends in \.json"):
        asdcore.select(home / "run", known_faults=faults, out=tmp_path / "chosen.toml")
