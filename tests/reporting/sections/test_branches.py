"""Correlations and contributions equal what the stages and the evaluator say of them."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr

import asdcore
from asdcore.contract.plugins import installed
from asdcore.portfolio import load_portfolio
from asdcore.reporting.reported_runs import open_subjects
from asdcore.reporting.sections.branches import contributions, rank_correlations, trade_off, variants
from asdcore.stages.fuse import fuse


@pytest.fixture(scope="module")
def subject(make_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("branches")
    data = make_dataset(folder / "data", ("fan",), test=6)
    run = asdcore.run("demo", data, folder / "run", task="dcase2026", store=folder / "store")
    return open_subjects([run], None, None, lambda _: None)[0]


def test_correlation_is_spearmans_within_a_machine(subject):
    z = subject.run.calibrated.filter(role="oof").pivot("branch", index="clip", values="z")
    rows = {(row["first"], row["second"]): row["value"] for row in rank_correlations(subject)
            if row["clips"] == "train normals"}  # fmt: skip
    expected = spearmanr(z["near_knn"], z["w1_mahalanobis"]).statistic
    assert rows["near_knn", "w1_mahalanobis"] == pytest.approx(expected, abs=6e-4)
    assert rows["w1_mahalanobis", "near_knn"] == rows["near_knn", "w1_mahalanobis"]
    assert rows["near_knn", "near_knn"] == 1.0


def test_every_branch_with_weight_and_every_guard_is_left_out_once():
    plan = load_portfolio("demo")
    assert [part for part, _ in variants(plan.systems["plain"])] == []
    parts = dict(variants(plan.systems["guarded"]))
    assert len(parts) == 5
    assert parts["without guard tail"].guards == ()
    assert "near_knn" not in parts["without branch near_knn"].weights
    assert len(parts["without branch near_knn"].guards) == 1


def test_without_its_guard_the_guarded_system_is_the_fused_one(subject):
    rows, refused = contributions(subject)
    assert refused == []
    systems = subject.evaluation.systems
    (row,) = [one for one in rows if one["part"] == "without guard tail"]
    change = 100 * (systems["fused"].official_score - systems["guarded"].official_score)
    assert row["change"] == pytest.approx(change, abs=1e-3)
    assert all(one["low"] <= one["change"] <= one["high"] for one in rows)
    assert {one["system"] for one in rows} == {"fused", "guarded"}


def test_the_trade_off_is_between_means_over_machines(subject):
    rows = {row["system"]: row for row in trade_off(subject)}
    (cell,) = subject.evaluation.systems["plain"].cells
    assert rows["plain"]["source"] == pytest.approx(100 * cell["auc_source"], abs=1e-3)
    assert rows["plain"]["target"] == pytest.approx(100 * cell["auc_target"], abs=1e-3)


def test_a_rehearsed_fusion_gives_the_scores_of_the_run(subject):
    systems = subject.plan.systems
    again = fuse(subject.run.calibrated, subject.run.clips, systems, installed(), rehearsed=True)
    rows = subject.run.systems.join(again, on=("clip", "system", "role"), suffix="_again", validate="1:1")
    assert len(rows) == len(again) == len(subject.run.systems)
    for column in ("base", "penalty", "score"):
        assert rows[f"{column}_again"].to_list() == pytest.approx(rows[column].to_list(), rel=1e-9, abs=1e-9)
