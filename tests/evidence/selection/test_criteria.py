"""asdcore.evidence.selection.criteria: what train normals alone say, and that no label is looked at."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp
from sklearn.neighbors import KNeighborsClassifier

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.selection.candidates import places_of
from asdcore.evidence.selection.criteria import criteria, ks_distance, separability, tail_ratio, variance_ratio
from asdcore.held_out import held_out_of


@pytest.fixture(scope="module")
def run(run_of):
    """A run of two branches and two systems, whose recordings are gone."""
    portfolio = (
        'name = "p"\n'
        '[branches.a]\nencoder = { name = "logmel", n_mels = 32 }\nscorer = "knn"\n'
        '[branches.b]\nencoder = { name = "logmel", n_mels = 32 }\nscorer = "mahalanobis"\n'
        "[systems.one]\nweights = { a = 1.0 }\n[systems.two]\nweights = { a = 0.5, b = 0.5 }\n"
    )
    done = run_of(portfolio, source=12, target=4, test=2)
    shutil.rmtree(done.about["data"])
    return done


def test_no_label_is_looked_at(run):
    """Neither the ground truth nor any test row is opened: both are gone."""
    with pytest.raises(EvaluationError, match="data are no longer at"):
        asdcore.select(run, "tournament")
    outcome = asdcore.select(run, "criteria")
    train = asdcore.Run(run.folder, run.about)
    for table in ("systems", "calibrated"):
        train.__dict__[table] = getattr(run, table).filter(pl.col("role") == "oof")
    train.__dict__["clips"] = run.clips.filter(split="train")
    assert criteria(places_of([train])) == outcome
    assert outcome.looks is None
    assert not (run.folder.parent / "store" / "looks.jsonl").exists()
    assert not (run.folder / "evaluation.json").exists()


def test_runs_of_other_train_normals_are_not_ranked(run, make_dataset, tmp_path):
    data = make_dataset(tmp_path / "data", ("fan",), source=10, target=4, test=2)
    other = asdcore.run("logmel-knn", data, tmp_path / "other", task="dcase2026", store=tmp_path / "store")
    with pytest.raises(EvaluationError, match="have different train clips"):
        asdcore.select([run, other], "criteria")


def test_systems_are_ranked_by_the_criterion_named(run):
    for by in ("domain_balance", "tail_ratio", "separability", "variance_ratio"):
        outcome = criteria(places_of([run]), by)
        values = [row[by] for row in outcome.rows]
        assert values == sorted(values)
        assert (outcome.facts["by"], outcome.facts["chosen"]) == (by, outcome.rows[0]["candidate"])
        assert by in outcome.definition
    with pytest.raises(EvaluationError, match="no criterion 'balance'. Did you mean 'domain_balance'"):
        criteria(places_of([run]), "balance")


def test_criteria_are_those_of_the_out_of_fold_scores(run):
    (cell,) = criteria(places_of([run])).facts["cells"]["two"]
    normals = run.systems.filter(system="two", role="oof").join(run.clips, on="clip")
    source, target = (normals.filter(domain=domain)["score"].to_numpy() for domain in ("source", "target"))
    assert cell["domain_balance"] == pytest.approx(ks_2samp(source, target).statistic)
    assert cell["variance_ratio"] == pytest.approx(variance_ratio(source, target))
    assert cell["tail_ratio"] == pytest.approx(tail_ratio(normals["score"].to_numpy()))
    assert (cell["machine"], cell["section"]) == ("fan", "00")


def test_a_domain_without_normals_leaves_only_the_tail(make_dataset, simple, tmp_path):
    data = make_dataset(tmp_path / "data", ("fan",), source=8, target=0, test=2)
    done = asdcore.run(simple, data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    with pytest.raises(EvaluationError, match=r"domain_balance does not exist for knn.*--by"):
        criteria(places_of([done]))
    (row,) = criteria(places_of([done]), "tail_ratio").rows
    assert row["domain_balance"] is None
    assert row["tail_ratio"] >= 1


# --- the measures ---


def test_ks_distance_equals_scipys_ties_included():
    rng = np.random.default_rng(0)
    for n, m in ((1, 1), (50, 10), (7, 300)):
        first, second = rng.integers(0, 9, n).astype(float), rng.integers(2, 12, m).astype(float)
        assert ks_distance(first, second) == pytest.approx(ks_2samp(first, second).statistic, abs=1e-12)


def test_separability_is_leave_one_out_nearest_neighbour():
    rng = np.random.default_rng(1)
    target = np.arange(60) % 6 == 0
    z = rng.standard_normal((60, 2)) + 0.8 * target[:, None]
    right = []
    for i in range(60):
        others = np.arange(60) != i
        right.append(KNeighborsClassifier(1).fit(z[others], target[others]).predict(z[i : i + 1])[0] == target[i])
    right = np.array(right)
    assert separability(z, target) == pytest.approx((right[target].mean() + right[~target].mean()) / 2)
    assert separability(z + 100 * target[:, None], target) == 1.0


def test_clips_of_one_recording_do_not_tell_each_other_s_domain():
    # Target clips come in pairs, each at one place amid source clips: only its twin is of its own domain.
    places = np.arange(12.0)
    z = np.concatenate([places, places[::3] + 0.3, places[::3] + 0.31])[:, None]
    target = np.arange(len(z)) >= 12
    twins = [np.array([i, i + 4]) if i < 16 else np.array([i - 4, i]) for i in range(12, 20)]
    without = [np.array([i]) for i in range(12)] + twins
    assert separability(z, target) == pytest.approx((4 / 12 + 1) / 2)
    assert separability(z, target, without) == pytest.approx((4 / 12 + 0) / 2)


def test_a_run_s_normals_are_told_apart_without_their_neighbours(grouped):
    for by in ("auto", "attribute", "clip"):
        run = grouped[by]
        (cell,) = criteria(places_of([run])).facts["cells"]["learned"]
        ((_, _, clips, held),) = held_out_of(run, "b")
        wide = clips.join(run.calibrated.filter(branch="b"), on="clip", maintain_order="left")
        z, target = wide.select("z").to_numpy(), (wide["domain"] == "target").to_numpy()
        assert (held.without is None) == (by == "clip")
        assert cell["separability"] == separability(z, target, held.without)
        if by == "auto":
            assert cell["separability"] != separability(z, target)


def test_tail_ratio_grows_with_the_tail_and_ignores_scale():
    rng = np.random.default_rng(2)
    light, heavy = rng.uniform(size=5000), rng.standard_t(2, size=5000)
    assert tail_ratio(light) == pytest.approx(0.49 / 0.45, abs=0.01)
    assert tail_ratio(heavy) > 1.5
    assert tail_ratio(7 * heavy - 100) == pytest.approx(tail_ratio(heavy))
    assert tail_ratio(np.zeros(10)) is None


def test_variance_ratio_has_no_order():
    first, second = np.array([0.0, 2.0]), np.array([0.0, 6.0])
    assert variance_ratio(first, second) == variance_ratio(second, first) == 9.0
    assert variance_ratio(first, np.ones(3)) is None
