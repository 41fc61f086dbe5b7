"""Adaptive local density normalization lies between the nearest neighbour and the ratio over clusters."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore_plugins.scorers.bases.cluster_density import ClusterDensity
from asdcore_plugins.stats.neighbours.exact import neighbours


def test_equals_its_formula(data):
    train, domain, test = data()
    within = asdcore.distances(train, train)
    np.fill_diagonal(within, np.inf)
    near = neighbours(within.__getitem__, np.zeros(40, int), 9)
    rho = ClusterDensity(near, np.ones(40, bool), 0.04).of(near.without(np.array([-1])))[0]
    eta = np.polyfit(np.log(rho[within.argmin(axis=1)]), np.log(within.min(axis=1)), 1)[0]
    assert 0 < eta < 1
    found = asdcore.load_scorer("aldn", k=9).fit(train, domain).score(test)["pooled"]
    expected = (asdcore.distances(test, train) / np.exp(eta * (np.log(rho) - np.median(np.log(rho))))).min(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_where_density_says_nothing_it_is_the_nearest_neighbour(data):
    train, domain = np.eye(12, dtype=np.float32), np.full(12, "source")
    test = data()[2]
    found = asdcore.load_scorer("aldn").fit(train, domain).score(test)["pooled"]
    np.testing.assert_allclose(found, asdcore.load_scorer("knn").fit(train, domain).score(test)["pooled"], rtol=1e-9)


@pytest.mark.parametrize("parameters", [{}, {"k": 5, "metric": "euclidean"}, {"among": "domain"}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("aldn", rtol=1e-9, **parameters)


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("aldn", k=16)


def test_repeated_clips_stay_finite(data):
    train, domain, test = data()
    train[:20], test[0] = train[0], train[0]
    fitted = asdcore.load_scorer("aldn").fit(train, domain)
    assert fitted.score(test)["pooled"][0] == 0.0
    assert np.isfinite(fitted.score_left_out()["pooled"]).all()


def test_a_small_bank_scores_its_own_clips_like_new_ones():
    """Some banks are below k neighbours and have other etas; a fifth of new clips lie above the 0.8 quantile."""
    rng = np.random.default_rng(0)
    without = [np.arange(max(0, i - 4), min(70, i + 5)) for i in range(70)]
    above = []
    for _ in range(8):
        train, new = (rng.normal(3.0, 1.0, (n, 20)).astype(np.float32) for n in (70, 100))
        fitted = asdcore.load_scorer("aldn").fit(train, np.full(70, "source"))
        own = fitted.score_left_out(without=without)["pooled"]
        above.append(np.mean(fitted.score(new)["pooled"] > np.quantile(own, 0.8)))
    assert 0.1 < np.mean(above) < 0.3
