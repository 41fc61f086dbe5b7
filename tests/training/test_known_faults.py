"""Known faults and trained networks: no fold can be taken from what a network has learnt, so its normals are others."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.evidence.scored_again import calibrated_by_folds
from asdcore.evidence.selection.fault_clips import known_faults
from asdcore.evidence.selection.fault_scores import cell_scores
from asdcore.portfolio import parse_portfolio

TRAINED, CROSSED = ["all", "each"], {"crossed": 3, "own_crossed": 2}


@pytest.fixture
def faults(few, tmp_path):
    """A folder of known faults of fan: test clips of the run."""
    place = tmp_path / "faults" / "fan"
    place.mkdir(parents=True)
    for clip in (few / "fan" / "test").glob("*_anomaly_*"):
        shutil.copy(clip, place)
    return place.parent


def test_faults_are_scored_by_the_network_of_all_normals_and_normals_out_of_fold(home, faults):
    run = asdcore.load_run(home / "run")
    plan, known = parse_portfolio(run.about["portfolio"]), known_faults(faults, run)
    names = list(plan.branches)
    (cell,) = cell_scores([run], plan.branches, plan.systems["trained"], known)
    assert all(len(set(cell.fold[:, names.index(name)])) == 1 for name in TRAINED)
    assert len(set(cell.fold[:, names.index("plain")])) > 1
    clips = dict(run.clips.filter(split="test").select("sha256", "clip").rows())
    of_run = run.calibrated.join(run.clips.select("clip", "machine"), on="clip").filter(machine="fan")
    for name in TRAINED:
        b, scored = names.index(name), of_run.filter(branch=name)
        of_clip = dict(scored.filter(role="test").select("clip", "z").rows())
        told = [of_clip[clips[known[row].sha256]] for row in cell.rows]
        assert cell.models[cell.fold[0, b], :, b] == pytest.approx(told, abs=1e-5)
        normals = scored.filter(pl.col("role") == "oof")["z"].to_numpy()
        assert np.sort(cell.normals[:, b]) == pytest.approx(np.sort(normals), abs=1e-5)


def test_of_a_crossfit_normals_and_faults_are_scored_by_the_networks_of_folds(home, faults, few):
    run = asdcore.load_run(home / "run")
    plan, known = parse_portfolio(run.about["portfolio"]), known_faults(faults, run)
    (cell,) = cell_scores([run], {name: plan.branches[name] for name in CROSSED}, plan.systems["trained"], known)
    of_run = run.calibrated.join(run.clips.select("clip", "machine"), on="clip").filter(machine="fan")
    for b, (name, folds) in enumerate(CROSSED.items()):
        assert set(cell.fold[:, b]) == set(range(folds))
        by_fold = cell.models[:folds, :, b]
        assert len(np.unique(by_fold, axis=0)) == folds  # each network hears the faults
        normals = of_run.filter(branch=name, role="oof")["z"].to_numpy()
        assert np.sort(cell.normals[:, b]) == pytest.approx(np.sort(normals), abs=1e-5)


def test_a_normal_that_comes_as_a_test_clip_has_the_score_of_the_network_that_lacks_it(home):
    run = asdcore.load_run(home / "run")
    train = run.clips.filter(split="train", machine="fan")
    copies = train.with_columns(clip=pl.concat_str(pl.lit("copy of "), "clip"), split=pl.lit("test"))
    z = calibrated_by_folds(run, list(CROSSED), pl.concat([train, copies]))
    normals = z.filter(role="oof").with_columns(clip=pl.concat_str(pl.lit("copy of "), "clip"))
    both = normals.join(z.filter(role="test"), on=["clip", "branch", "fold"], suffix="_copy")
    assert len(both) == len(normals) == 2 * len(train)
    assert both["z_copy"].to_numpy() == pytest.approx(both["z"].to_numpy(), abs=1e-5)


def test_branches_with_and_without_networks_are_weighed_together(home, faults, tmp_path):
    outcome = asdcore.select(home / "run", known_faults=faults, out=tmp_path / "chosen.json", replicates=20)
    assert outcome.facts["faults"] == 2
    assert {row["branch"] for row in outcome.rows} == {*TRAINED, *CROSSED, "plain"}
    assert all(0 <= row["gain"] <= 1 for row in outcome.rows)
    assert "The networks of all, each have learnt from the normals and not from the faults" in outcome.sentence
