"""A run trains what it lacks, once, and all that is made of it works with what was learnt."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

import asdcore
from asdcore.cli.evidence.decisions import decisions
from asdcore.data.recordings.audio import decode
from asdcore.errors import DataError, PluginError, PortfolioError, StoreError
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.preflight.complexity import complexity
from asdcore.runs.folder import load_run
from asdcore.stages.training import train


@pytest.fixture(scope="module")
def run(home):
    return load_run(home / "run")


@pytest.fixture(scope="module")
def manifest(home):
    asdcore.freeze(home / "run", home / "frozen.json", time="2026-06-01T00:00:00Z")
    return home / "frozen.json"


def test_a_run_says_which_networks_it_trained_and_on_what(run):
    rows = run.about["trained"]
    kinds = {(row["machine"], row["fold"], row["clips"], len(row["cells"])) for row in rows}
    assert {kind for kind in kinds if kind[1] < 0} == {("", -1, 24, 2), ("3DPrinter", -1, 12, 1), ("fan", -1, 12, 1)}
    folds = [row for row in rows if row["fold"] >= 0 and not row["machine"]]
    assert {row["fold"] for row in folds} == {0, 1, 2}
    assert all(row["clips"] < 24 for row in folds)
    shared = next(row for row in rows if row["clips"] == 24)
    assert shared["places"] == ["branches.all.view", "branches.crossed.view"]
    assert "training 'axes' on all machines: learnt of 24 clips" in run.about["notes"]


def test_scores_of_clips_that_a_network_has_seen_say_so(run):
    for row in run.about["out_of_fold"]:
        assert set(row.get("seen", [])) == set(row["branches"]) & {"all", "each"}
        crossed = {"crossed": "crossfit of 3", "own_crossed": "crossfit of 2"}
        assert all(row["branches"].get(name, told) == told for name, told in crossed.items())
    assert any(
        "branches all, each: the network has seen the train clips (seen in" in note for note in run.about["notes"]
    )


def test_every_train_normal_of_a_crossfit_is_scored_once_by_a_fold(run):
    for branch, folds in (("crossed", {0, 1, 2}), ("own_crossed", {0, 1})):
        rows = run.scores.filter((pl.col("branch") == branch) & (pl.col("reference") == "pooled"))
        normals = rows.filter(pl.col("role") == "oof")
        assert set(normals["fold"]) == folds
        assert sorted(normals["clip"]) == sorted(run.clips.filter(pl.col("split") == "train")["clip"])
        assert set(rows.filter(pl.col("role") == "test")["fold"]) == {-1}


def test_a_second_run_trains_nothing_and_gives_the_same_tables(home, few, tmp_path, monkeypatch, run):
    monkeypatch.setattr(train, "_train", lambda job: pytest.fail(f"{job.where} again"))
    again = asdcore.run(home / "trained.toml", few, tmp_path / "again", store=home / "store")
    assert again.about["tables"] == run.about["tables"]


def test_workers_train_to_the_same_bits(few, one, tmp_path):
    portfolio = one('{ name = "axes", scope = "machine" }')
    alone, shared = (
        asdcore.run(portfolio, few, tmp_path / f"{n}", store=tmp_path / f"store {n}", workers=n) for n in (1, 2)
    )
    assert len(alone.about["trained"]) == 2
    assert alone.about["trained"] == shared.about["trained"]
    assert alone.about["tables"] == shared.about["tables"]


def test_waveforms_of_train_clips_go_when_all_is_trained(home):
    assert not [*(home / "store" / "waveforms").rglob("*.safetensors")]


def test_waveforms_that_a_killed_run_has_left_go_too(few, one, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_STOP", "1")
    with pytest.raises(KeyboardInterrupt):
        asdcore.run(one('"axes"'), few, tmp_path / "killed", store=tmp_path / "store")
    monkeypatch.delenv("TEST_STOP")
    assert [*(tmp_path / "store" / "waveforms").rglob("*.safetensors")]
    asdcore.run(one('"axes"'), few, tmp_path / "run", store=tmp_path / "store")
    assert not [*(tmp_path / "store" / "waveforms").rglob("*.safetensors")]


def features(portfolio, data, tmp_path, name):
    return asdcore.run(portfolio, data, tmp_path / "runs" / name, store=tmp_path / "store").about["features"]["a"]


def test_another_train_clip_seed_or_label_is_another_feature_set(few, one, tmp_path):
    plain = features(one('"axes"'), few, tmp_path, "plain")
    shorter, renamed = (shutil.copytree(few, tmp_path / name) for name in ("shorter", "renamed"))
    next((shorter / "fan" / "train").glob("*target*")).unlink()
    clip = next((renamed / "fan" / "train").glob("*target*"))
    clip.rename(clip.with_name(clip.name.replace("spd_1", "spd_7")))
    assert features(one('"axes"'), shorter, tmp_path, "shorter") != plain
    fewer_tests = shutil.copytree(few, tmp_path / "fewer tests")
    next((fewer_tests / "fan" / "test").iterdir()).unlink()
    assert features(one('"axes"'), fewer_tests, tmp_path, "fewer") == plain
    before = len([*(tmp_path / "store" / "trained").glob("*.safetensors")])
    features(one('"axes"'), renamed, tmp_path, "renamed")
    features(one('"axes"').with_name("one.toml"), few, tmp_path, "plain again")
    assert len([*(tmp_path / "store" / "trained").glob("*.safetensors")]) == before + 1


def test_freeze_pins_what_was_learnt_and_the_clips_it_was_learnt_of(manifest, run):
    pinned = read_manifest(manifest)
    states = {f"store/{row['state']}": row for row in run.about["trained"]}
    assert {subject.name for subject in pinned.of_kind("trained")} == set(states)
    lineage = pinned.predicate["lineage"]
    for name, row in states.items():
        audio = {parent for parent in lineage[name] if parent.startswith("data/")}
        train_clips = run.clips.filter(pl.col("split") == "train")
        heard = train_clips.filter(pl.col("machine") == row["machine"]) if row["machine"] else train_clips
        assert audio == {f"data/{clip}" for clip in heard["clip"]}
    fan = next(name for name, row in states.items() if row["machine"] == "fan" and row["fold"] == -1)
    assert fan in lineage["branch/each/fan/00"]
    assert fan not in lineage["branch/each/3DPrinter/00"]


@pytest.mark.parametrize("way", [{}, {"recompute": True}, {"retrain": True}], ids=["plain", "recompute", "retrain"])
def test_a_frozen_run_verifies(manifest, way, monkeypatch):
    if "retrain" not in way:
        monkeypatch.setattr(train, "_train", lambda job: pytest.fail(f"{job.where} again"))
    assert asdcore.verify(manifest, **way).passed


def test_a_changed_trained_state_is_told(manifest, home, few, run):
    path = home / "store" / run.about["trained"][0]["state"]
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        result = asdcore.verify(manifest)
        assert not result.passed
        assert result.affected
        with pytest.raises(
            StoreError, match=rf"{path.name}.*Remove it with 'rm .*' and run again: the encoder is then"
        ):
            asdcore.run(home / "trained.toml", few, home / "other", store=home / "store")
    finally:
        path.write_bytes(content)


def test_infer_and_a_detector_say_what_the_run_said_and_train_nothing(manifest, home, few, tmp_path, run, monkeypatch):
    monkeypatch.setattr(train, "_train", lambda job: pytest.fail(f"{job.where} again"))
    final = asdcore.infer(manifest, few, tmp_path / "final")
    key = ["clip", "system"]
    assert final.decisions.sort(key).equals(run.decisions.sort(key))
    detector = asdcore.load_detector(asdcore.export(manifest, home / "it.asd"))
    for machine in ("fan", "3DPrinter"):
        tested = run.decisions.filter(pl.col("clip").str.starts_with(f"{machine}/test"))
        clip, score = tested.select("clip", "score").row(0)
        audio, rate = decode(few / clip)
        assert detector.score(audio, rate, machine).score == score
    assert len([name for name in detector._container.members if "trained" in name]) == 5


def test_a_machine_that_no_network_was_trained_for_is_refused(manifest, few, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(few / "fan", other / "pump")
    with pytest.raises(DataError, match="its encoder was trained for each machine, and never for pump"):
        asdcore.infer(manifest, other, tmp_path / "final")


def test_crossfit_of_an_encoder_that_is_not_trained_is_refused(few, one, tmp_path):
    with pytest.raises(PortfolioError, match="crossfit is 5, but encoder 'logmel' learns nothing"):
        asdcore.run(one('{ name = "logmel", crossfit = 5 }'), few, tmp_path / "run")


def test_a_mirror_of_a_crossfit_is_refused(few, one, tmp_path):
    mirror = '[systems.m]\nout_of_fold_mirror_of = "s"\n'
    with pytest.raises(PortfolioError, match="crossfit.*mirror"):
        asdcore.run(one('{ name = "axes", crossfit = 2 }', mirror), few, tmp_path / "run")


def test_a_state_that_rounds_is_refused_before_it_is_kept(few, one, tmp_path):
    with pytest.raises(PluginError, match="encoder 'rounds', brought back from its state, gives a train clip other"):
        asdcore.run(one('"rounds"'), few, tmp_path / "run", store=tmp_path / "store")
    assert {path.suffixes[0] for path in (tmp_path / "store" / "trained").iterdir()} == {".epoch"}


def test_a_conformal_threshold_on_seen_clips_promises_nothing(few, one, tmp_path, capsys):
    rule = '[decision]\nrule = "conformal"\nquantile = 0.5\n'
    run = asdcore.run(one('"axes"', rule), few, tmp_path / "run")
    assert any("the conformal threshold keeps no promise where branch a counts" in note for note in run.about["notes"])
    decisions(tmp_path / "run")
    assert "branch a: the network has seen the train clips" in " ".join(capsys.readouterr().out.split())
    crossed = asdcore.run(one('{ name = "axes", crossfit = 2 }', rule), few, tmp_path / "crossed")
    assert not any("seen" in note for note in crossed.about["notes"])
    decisions(tmp_path / "crossed")
    assert "has seen" not in capsys.readouterr().out


def test_an_encoder_that_must_be_trained_first_is_counted(one, monkeypatch):
    monkeypatch.setenv("TEST_STOP", "2")  # it would stop after a second epoch
    cost = complexity(one('{ name = "axes", crossfit = 3, epochs = 7 }'), seconds=1.0, train_clips=10)
    assert cost.branches["a"].features == 3


@pytest.mark.parametrize(
    "scorer", ['{ name = "knn", k = 1, metric = "euclidean" }', '{ name = "kmeans", k = 1, metric = "euclidean" }']
)
def test_scores_of_a_crossfit_are_on_the_scale_of_the_network_of_all(few, one, tmp_path, scorer):
    """Networks of folds whose tokens are half as large give a train normal the score that it had."""
    normals = {}
    for name in ("axes", "loud"):
        portfolio = one(f'{{ name = "{name}", crossfit = 2 }}')
        portfolio.write_text(portfolio.read_text().replace('"knn"', scorer))
        run = asdcore.run(portfolio, few, tmp_path / name)
        rows = run.scores.filter((pl.col("role") == "oof") & (pl.col("reference") == "pooled"))
        normals[name] = rows.sort("clip")["score"].to_numpy()
    assert normals["loud"] == pytest.approx(24 * normals["axes"], rel=1e-4)
