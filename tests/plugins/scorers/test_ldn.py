"""Local density normalization: ratio and difference, weighted, domain by domain; leave-one-out by leaving out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.scorers.bases import distance


def rho(within, i, members, k, r=1.0):
    """Weighted mean distance of train clip i to its k nearest others among ``members``, straight from the formula."""
    near = sorted(within[i, j] for j in members if j != i)[:k]
    weights = [r**place for place in range(len(near))]
    return sum(w * d for w, d in zip(weights, near, strict=True)) / sum(weights)


def brute_force(train, test, k, judge, metric="cosine", r=1.0):
    within, across = asdcore.distances(train, train, metric), asdcore.distances(test, train, metric)
    density = [rho(within, i, range(len(train)), k, r) for i in range(len(train))]
    return np.array([min(judge(d, one) for d, one in zip(row, density, strict=True)) for row in across])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 4, 100])
@pytest.mark.parametrize("r", [1.0, 0.9, 0.0])
def test_ratio_and_difference_equal_their_formula(data, metric, k, r):
    train, domain, test = data()
    for variant, judge in {"ratio": lambda d, one: d / one, "difference": lambda d, one: d - one}.items():
        fitted = asdcore.load_scorer("ldn", k=k, r=r, variant=variant, metric=metric).fit(train, domain)
        expected = brute_force(train, test, k, judge, metric, r)
        # The floor under rho is a millionth of the median one.
        np.testing.assert_allclose(fitted.score(test)["pooled"], expected, rtol=5e-6)


def test_the_root_of_the_cosine_distance_is_half_the_euclidean_one_of_unit_vectors(data):
    train, domain, test = data()
    rooted = asdcore.load_scorer("ldn", k=4, root=True).fit(train, domain).score(test)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (train.astype(float), test.astype(float))]
    plain = asdcore.load_scorer("ldn", k=4, metric="euclidean").fit(unit[0], domain).score(unit[1])
    for name, scores in plain.items():
        np.testing.assert_allclose(rooted[name], scores, rtol=1e-6)


def test_domain_wise_is_the_smaller_of_both_domains_over_their_own_sums(data):
    train, domain, test = data()
    ldn = asdcore.load_scorer("ldn", among="domain", k={"source": 16, "target": 9}, scale="sum").fit(train, domain)
    scores = ldn.score(test)
    within, across = asdcore.distances(train, train), asdcore.distances(test, train)
    limit = {"source": 16, "target": 9}
    own = {name: np.flatnonzero(domain == name) for name in limit}
    sums = np.array([limit[one] * rho(within, i, own[one], limit[one]) for i, one in enumerate(domain)])
    sums += 1e-6 * np.median(sums)
    for name, members in own.items():
        np.testing.assert_allclose(scores[name], (across / sums)[:, members].min(axis=1), rtol=1e-12)
    assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"k": 4, "variant": "difference", "r": 0.5, "metric": "euclidean"},
        {"k": 50},
        {"k": 4, "root": True},
        {"k": {"source": 5, "target": 3}, "among": "domain", "scale": "sum"},
    ],
)
def test_left_out_is_the_score_of_a_bank_without_the_clip(data, leave_one_out, parameters):
    train, domain, _ = data(n_source=14, n_target=6)
    left_out = asdcore.load_scorer("ldn", **parameters).fit(train, domain).score_left_out()
    expected = leave_one_out("ldn", train, domain, **parameters)
    assert list(left_out) == list(expected) == ["pooled", "source", "target"]
    for reference, scores in expected.items():
        np.testing.assert_allclose(left_out[reference], scores, rtol=1e-12)


def test_a_left_out_clip_is_missed_by_the_densities_of_its_neighbours():
    """On a line: without the clip at 1, the one at 0 has its nearest other at 10, so its density's distance is 10."""
    train = np.array([[0.0], [1.0], [10.0], [20.0]], np.float32)
    ldn = asdcore.load_scorer("ldn", metric="euclidean").fit(train, np.full(4, "source"))
    assert ldn.score_left_out()["pooled"][1] == pytest.approx(1 / 10, rel=1e-5)


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("ldn", k=3)
    same_bits_in_any_company("ldn", k=4, root=True)
    same_bits_in_any_company("ldn", k=20, among="domain", variant="difference", metric="euclidean")


def test_repeated_clips_and_silence_stay_finite(data, leave_one_out):
    train, domain, test = data(n_source=14, n_target=6)
    train[3], train[5], train[:2], test[0] = train[4], train[4], 0.0, train[4]
    fitted = asdcore.load_scorer("ldn").fit(train, domain)
    assert fitted.score(test)["pooled"][0] == 0.0
    assert all(np.isfinite(scores).all() for scores in fitted.score(test).values())
    expected = leave_one_out("ldn", train, domain)
    np.testing.assert_allclose(fitted.score_left_out()["pooled"], expected["pooled"], rtol=1e-12)


def test_a_bank_of_nothing_but_repetitions_is_refused():
    with pytest.raises(DataError, match="ldn needs at least 3 train normals that differ .* repeated clips among the 5"):
        asdcore.load_scorer("ldn").fit(np.ones((5, 3), np.float32), np.full(5, "source"))


@pytest.mark.parametrize("n_target", [0, 1, 2])
def test_domains_of_fewer_than_3_clips_are_left_out(data, n_target):
    train, domain, test = data(n_target=n_target)
    for among in ("pooled", "domain"):
        fitted = asdcore.load_scorer("ldn", among=among).fit(train, domain)
        assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["pooled", "source"]
    with pytest.raises(DataError, match="ldn needs at least 3 train normals in one of its references target"):
        asdcore.load_scorer("ldn", references=["target"]).fit(train, domain)


def test_a_bank_too_large_to_hold_gives_the_same_bits(data, monkeypatch):
    train, domain, test = data(n_source=100)
    held = asdcore.load_scorer("ldn", k=3).fit(train, domain)
    monkeypatch.setattr(distance, "DISTANCE_BYTES", 0)
    measured = asdcore.load_scorer("ldn", k=3).fit(train, domain)
    assert held.score_left_out()["pooled"].tobytes() == measured.score_left_out()["pooled"].tobytes()
    assert held.score(test)["pooled"].tobytes() == measured.score(test)["pooled"].tobytes()


@pytest.mark.parametrize("name", ["ldn", "varmin", "ced", "aldn", "lof", "kde"])
def test_a_bank_too_large_to_hold_takes_less_memory_than_its_distances(data, name, monkeypatch):
    monkeypatch.setattr(distance, "DISTANCE_BYTES", 0)
    train, domain, test = data(n_source=1_990, dim=3)
    tracemalloc.start()
    try:
        scores = asdcore.load_scorer(name, references=["pooled"]).fit(train, domain).score(test)["pooled"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(scores).all()
    assert peak < 8 * 2_000**2 / 2


def test_fitted_on_distances_it_cannot_score_features(data):
    train, domain, test = data()
    fitted = asdcore.load_scorer("ldn").fit_distances(asdcore.distances(train, train), domain)
    with pytest.raises(DataError, match="fitted on distances: call score_distances"):
        fitted.score(test)
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        asdcore.load_scorer("ldn").score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k must be a whole number from 1 to 4294967295, got 0"),
        ({"k": {"source": 1}}, "k must be one number, or one for each of source, target"),
        ({"r": 1.5}, "r must be a number from 0 to 1, got 1.5"),
        ({"variant": "sum"}, "variant must be one of ratio, difference"),
        ({"root": 1}, "root must be true or false, got 1"),
        ({"scale": "max"}, "scale must be one of mean, sum"),
        ({"among": "section"}, "among must be one of pooled, domain"),
        ({"metric": "l1"}, "metric must be one of cosine, euclidean"),
        ({"references": []}, "references must be some of pooled, source, target"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("ldn", **parameters)
