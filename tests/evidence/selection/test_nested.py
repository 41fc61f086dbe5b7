"""asdcore.evidence.selection.nested: a real run is calibrated again without each fold, and judged by their mean."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.errors import DataError, EvaluationError
from asdcore.evidence.selection import nested as module
from asdcore.evidence.selection.candidates import open_candidates, places_of
from asdcore.evidence.selection.nested import nested
from asdcore.held_out import system_groups
from asdcore.held_out.promises import bound

PORTFOLIO = """
name = "nested"
folds = 3

[branches.knn]
encoder = { name = "logmel", n_mels = 32 }
scorer = { name = "knn", metric = "euclidean" }

[branches.trees]
encoder = { name = "logmel", n_mels = 32 }
scorer = { name = "isolation_forest", trees = 20 }

[systems.fused]
weights = { knn = 0.5, trees = 0.5 }
transform = "log1p"
guards = [{ name = "tail", support = "trees", quantile = 0.8 }]

[systems.plain]
weights = { knn = 1.0 }

[systems.mirror]
out_of_fold_mirror_of = "plain"
"""


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """A run with scores by leave-one-out (knn) and by folds (trees), and a mirror."""
    folder = tmp_path_factory.mktemp("nested")
    (folder / "portfolio.toml").write_text(PORTFOLIO)
    return asdcore.run(folder / "portfolio.toml", dataset, folder / "run", task="dcase2026", store=folder / "store")


def opened(run, *systems):
    return open_candidates(places_of([run], systems))


def test_every_train_normal_is_left_out_once_and_no_test_clip_ever(run):
    train = set(run.clips.filter(split="train")["clip"])
    test = set(run.clips.filter(split="test")["clip"])
    left_out = []
    for systems, decisions in module._without_each_fold(run, "fused"):
        moved = set(systems.filter(role="test")["clip"]) - test
        assert set(systems.filter(role="oof")["clip"]) == train - moved
        assert set(decisions["clip"]) == test | moved
        left_out += sorted(moved)
    assert sorted(left_out) == sorted(train)


def test_a_fold_that_leaves_too_few_for_a_conformal_threshold_is_said(run):
    n = run.clips.filter(split="train").group_by("machine", "section").len()["len"].min()
    decision = {"rule": "conformal", "quantile": 10000 * n // (n + 1) / 10000}
    about = {**run.about, "portfolio": {**run.about["portfolio"], "decision": decision}}
    with pytest.raises(DataError, match=r"calibrated without one of 3 folds: .* a conformal threshold .*rule = 'ecdf'"):
        list(module._without_each_fold(asdcore.Run(run.folder, about), "plain"))


def test_a_calibration_does_not_see_the_fold_it_lacks(run):
    """Scores of the left-out normals are wild; what the others and the test clips get must not change."""
    found = list(module._without_each_fold(run, "plain"))
    moved = [
        set(systems.filter(role="test")["clip"]) - set(run.clips.filter(split="test")["clip"]) for systems, _ in found
    ]
    wild = run.scores.with_columns(
        score=pl.when(pl.col("clip").is_in(sorted(moved[0]))).then(1e6 + pl.col("score")).otherwise("score")
    )
    plan = module.parse_portfolio(run.about["portfolio"])
    system = plan.systems["plain"]
    kept = plan.model_copy(update={"branches": {"knn": plan.branches["knn"]}})
    used = module.straight(wild.filter(branch="knn")).with_columns(
        role=pl.when(pl.col("clip").is_in(sorted(moved[0]))).then(pl.lit("test")).otherwise("role")
    )
    again = module._systems(kept, "plain", system, used, run.clips)
    others = ~pl.col("clip").is_in(sorted(moved[0]))
    key = ["role", "clip"]
    assert again.filter(others).sort(key).equals(found[0][0].filter(others).sort(key))


def index_of(clip):
    return int(clip.split("_train_normal_")[1].split("_")[0])


def source_of(systems, role):
    """Return the places of the source train normals with a role, along the order of recording."""
    rows = systems.filter(role=role)["clip"]
    return sorted(index_of(clip) for clip in rows if "_source_train_" in clip)


def test_a_calibration_without_a_fold_sees_none_of_its_neighbours(grouped):
    left_out = []
    (about,) = (row for row in grouped["auto"].about["out_of_fold"] if "a" in row["branches"])
    assert about["domains"]["source"]["range"] > 1
    for systems, _ in module._without_each_fold(grouped["auto"], "one"):
        away, seen = source_of(systems, "test"), source_of(systems, "oof")
        assert away == list(range(away[0], away[-1] + 1))
        assert min(abs(i - j) for i in away for j in seen) > 1
        left_out += away
    assert sorted(left_out) == list(range(96))


def test_and_no_clip_of_its_groups(grouped):
    runs = set()
    for systems, _ in module._without_each_fold(grouped["attribute"], "one"):
        away = {i // 8 for i in source_of(systems, "test")}
        assert away.isdisjoint(i // 8 for i in source_of(systems, "oof"))
        runs |= away
    assert runs == set(range(12))


def test_by_clip_neighbours_lie_on_both_sides(grouped):
    away, seen = (
        source_of(next(module._without_each_fold(grouped["clip"], "one"))[0], role) for role in ("test", "oof")
    )
    assert {i // 8 for i in away} & {i // 8 for i in seen}


def test_a_conformal_threshold_inside_counts_the_groups_of_the_normals_that_are_left(grouped):
    run = grouped["auto"]
    plan = {**run.about["portfolio"], "decision": {"rule": "conformal", "quantile": 0.7}}
    conformal = asdcore.Run(run.folder, {**run.about, "portfolio": plan})
    groups = system_groups(run.clips, module.parse_portfolio(plan), run.about["out_of_fold"], ["one"])
    for systems, decisions in module._without_each_fold(conformal, "one"):
        normals = systems.filter(role="oof").join(groups, on="clip")
        counted = bound(normals["score"].to_numpy(), normals["group"].to_numpy(), Fraction(3, 10))
        assert decisions["threshold"].unique().to_list() == [counted]
        assert counted != bound(normals["score"].to_numpy(), np.arange(len(normals)), Fraction(3, 10))


def test_the_choice_is_by_the_inner_score(run):
    candidates = opened(run, "plain", "fused")
    outcome = nested(candidates)
    table = {row["candidate"]: row for row in outcome.facts["candidates"]}
    assert set(table) == {"plain", "fused"}
    for name, row in table.items():
        inner = module._inner(candidates, run, name)
        assert row["inner_score"] == pytest.approx(np.mean(inner.scores(candidates.machines, 2026)))
        assert row["official_score"] == candidates.score(name)
        assert 0 <= row["inner_fpr"] <= 1
        assert row["inner_spread"] >= 0
    assert outcome.facts["chosen"] == max(["plain", "fused"], key=lambda name: table[name]["inner_score"])
    for row in outcome.rows:
        (other,) = [machine for machine in candidates.machines if machine != row["machine"]]
        inner = module._inner(candidates, run, row["chosen"])
        assert row["on_others"] == pytest.approx(inner.score([other], 2026))
    assert outcome.protocol == "nested"
    assert "inner_fpr the share of left-out train normals" in outcome.definition


def test_a_mirror_has_no_inner_folds(run):
    with pytest.raises(EvaluationError, match="mirror is an out-of-fold mirror.* Leave it out: --systems plain."):
        nested(opened(run, "plain", "mirror"))


def test_a_run_that_would_come_out_otherwise_is_refused(run, monkeypatch):
    monkeypatch.setattr(module, "calibrate", lambda *args: real(*args).with_columns(z=pl.col("z") + 1e-9))
    with pytest.raises(EvaluationError, match="does not give the same scores of plain.*Run the portfolio again"):
        nested(opened(run, "plain", "fused"))


real = module.calibrate
