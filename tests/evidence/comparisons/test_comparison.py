"""asdcore.evidence.comparisons.comparison: systems of finished runs against one truth, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.comparisons import comparison
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.labels.truth import truth_of
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.uncertainty import differences
from asdcore.store.cache import Store

FEW = {"replicates": 100, "permutations": 99}


@pytest.fixture
def run(dataset, fused, tmp_path):
    """A run of two systems."""
    return asdcore.run(fused, data=dataset, out=tmp_path / "first", task="dcase2026")


@pytest.fixture
def other(dataset, simple, tmp_path):
    """A run of one system on the same clips."""
    return asdcore.run(simple, data=dataset, out=tmp_path / "second", task="dcase2026")


def test_the_systems_of_one_run(run):
    found = asdcore.compare(run, **FEW, seed=4)
    table = join_systems(run.systems, run.decisions, run.clips, truth_of(run))
    assert found.differences == differences(table, 2026, **FEW, seed=4)
    assert found.evaluation.systems == asdcore.evaluate(run, replicates=0).systems
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert list(told) == ["year", "systems", "differences", "replicates", "permutations"]
    assert (told["year"], told["replicates"], told["permutations"]) == (2026, 100, 99)
    assert set(told["systems"]) == {"guarded", "plain"}
    low, high = told["systems"]["plain"]["ci95"]
    assert low <= told["systems"]["plain"]["official_score"] <= high
    (row,) = told["differences"]
    assert row["difference"] == pytest.approx(
        told["systems"][row["first"]]["official_score"] - told["systems"][row["second"]]["official_score"], abs=1e-12
    )


def test_systems_of_several_runs_are_named_by_run_and_system(run, other):
    found = asdcore.compare(run, other.folder, **FEW)
    assert {name for one in found.differences for name in (one.first, one.second)} == {
        "first/guarded",
        "first/plain",
        "second/knn",
    }
    (one,) = asdcore.compare(run, other, systems=["second/knn", "first/plain"], **FEW).differences
    assert {one.first, one.second} == {"first/plain", "second/knn"}


def test_each_run_gets_a_look_in_its_ledger(run, other):
    log = Store(Path(run.about["store"])).looks
    before = len(read_ledger(log).looks)
    asdcore.compare(run, other, **FEW, hypothesis="guards pay")
    looks = read_ledger(log).looks[before:]
    assert [look.entry["what"] for look in looks] == ["comparison of fused", "comparison of simple"]
    assert {look.entry["hypothesis"] for look in looks} == {"guards pay"}
    assert all(one["ci95"] for look in looks for one in look.entry["results"].values())


def test_many_pairs_get_as_many_permutations_as_they_need(run, other, monkeypatch):
    monkeypatch.setattr(comparison, "PERMUTATIONS", 20)
    assert asdcore.compare([run, other], replicates=100).permutations == 60
    monkeypatch.setattr(comparison, "PERMUTATIONS", 70)
    assert asdcore.compare([run, other], replicates=100).permutations == 70


def test_what_cannot_be_compared_is_said(run, other, make_dataset, simple, tmp_path):
    with pytest.raises(EvaluationError, match="There is only the system knn: a comparison needs two. Name another run"):
        asdcore.compare(other, **FEW)
    with pytest.raises(EvaluationError, match=r"No system of these runs is named 'plane'. Did you mean 'plain'\?"):
        asdcore.compare(run, systems=["plane"], **FEW)
    with pytest.raises(
        EvaluationError, match=r"With 3 pairs of systems, 58 permutations could show no difference.* --permutations 60,"
    ):
        asdcore.compare(run, other, replicates=100, permutations=58)
    for many in (10**6 + 1, 10**400):  # the last one is no float, and too long to be told
        with pytest.raises(EvaluationError, match=r"permutations is 100000[\d.\[\]]+; at most 1,000,000 are allowed"):
            asdcore.compare(run, other, replicates=100, permutations=many)
    data = make_dataset(tmp_path / "data", ("fan",))
    elsewhere = asdcore.run(simple, data=data, out=tmp_path / "third", task="dcase2026")
    assert elsewhere.clips.filter(pl.col("split") == "test").height < run.clips.filter(pl.col("split") == "test").height
    with pytest.raises(
        EvaluationError, match=r"have different test clips: 16 are not in both, such as 3DPrinter/test/"
    ):
        asdcore.compare(run, elsewhere, **FEW)
