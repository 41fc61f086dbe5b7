"""asdcore.evidence.selection.nested: a real run is calibrated again without each fold, and judged by their mean."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.errors import DataError, EvaluationError
from asdcore.evidence.selection import nested as module
from asdcore.evidence.selection.candidates import open_candidates, places_of
from asdcore.evidence.selection.nested import nested

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
