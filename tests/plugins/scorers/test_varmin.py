"""VarMin: as much of the density is taken off as makes the train normals' scores vary least."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore


def nearest_and_density(train, k, metric):
    within = asdcore.distances(train, train, metric)
    np.fill_diagonal(within, np.inf)
    return within.min(axis=1), within.argmin(axis=1), np.sort(within, axis=1)[:, :k].mean(axis=1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 4])
def test_equals_its_formula(data, metric, k):
    train, domain, test = data()
    u, neighbour, rho = nearest_and_density(train, k, metric)
    covariance = np.cov(u, rho[neighbour])
    expected = asdcore.distances(test, train, metric) - covariance[0, 1] / covariance[1, 1] * rho
    found = asdcore.load_scorer("varmin", k=k, metric=metric).fit(train, domain).score(test)
    np.testing.assert_allclose(found["pooled"], expected.min(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found["target"], expected[:, domain == "target"].min(axis=1), rtol=1e-10)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2])
def test_equals_its_formula_in_logarithms(data, metric, k):
    train, domain, test = data()
    u, neighbour, rho = nearest_and_density(train, k, metric)
    covariance = np.cov(np.log(u), np.log(rho[neighbour]))
    alpha = covariance[0, 1] / covariance[1, 1]
    expected = np.log(asdcore.distances(test, train, metric)) - alpha * (np.log(rho) - np.median(np.log(rho)))
    scores = asdcore.load_scorer("varmin", k=k, metric=metric, log=True).fit(train, domain).score(test)
    np.testing.assert_allclose(np.log(scores["pooled"]), expected.min(axis=1), atol=1e-5)
    np.testing.assert_allclose(np.log(scores["target"]), expected[:, domain == "target"].min(axis=1), atol=1e-5)


def test_in_logarithms_the_scale_of_features_is_the_scale_of_scores(data):
    train, domain, test = data()
    scores, larger = (
        asdcore.load_scorer("varmin", metric="euclidean", log=True).fit(scale * train, domain).score(scale * test)
        for scale in np.float32([1, 1024])
    )
    for reference in scores:
        np.testing.assert_allclose(larger[reference], 1024 * scores[reference], rtol=1e-9)


def test_no_other_share_of_the_density_makes_the_train_normals_vary_less(data):
    train, domain, test = data()
    u, neighbour, rho = nearest_and_density(train, 4, "cosine")
    across = asdcore.distances(test[:1], train)[0]
    found = asdcore.load_scorer("varmin").fit(train, domain).score(test[:1])["pooled"][0]
    shares = np.linspace(-3, 3, 6001)
    best = shares[np.argmin([np.var(u - share * rho[neighbour]) for share in shares])]
    assert found == pytest.approx((across - best * rho).min(), abs=2e-3 * rho.max())


@pytest.mark.parametrize(
    "parameters", [{}, {"k": 2, "metric": "euclidean"}, {"among": "domain"}, {"k": 1, "log": True}]
)
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("varmin", rtol=1e-11, **parameters)


@pytest.mark.parametrize("log", [False, True])
def test_where_all_densities_are_alike_it_is_the_nearest_neighbour(data, log):
    train, test = np.eye(12, dtype=np.float32), data()[2]
    domain = np.full(12, "source")
    found = asdcore.load_scorer("varmin", log=log).fit(train, domain).score(test)["pooled"]
    np.testing.assert_allclose(found, asdcore.load_scorer("knn").fit(train, domain).score(test)["pooled"])


@pytest.mark.parametrize("log", [False, True])
def test_same_bits(same_bits_in_any_company, log):
    same_bits_in_any_company("varmin", log=log)


@pytest.mark.parametrize("log", [False, True])
def test_repeated_clips_stay_finite(data, log):
    train, domain, test = data()
    train[:20] = train[0]
    fitted = asdcore.load_scorer("varmin", log=log).fit(train, domain)
    assert np.isfinite(fitted.score(test)["pooled"]).all()
    assert np.isfinite(fitted.score_left_out()["pooled"]).all()


def test_log_is_true_or_false():
    with pytest.raises(asdcore.PluginError, match="log must be true or false, got 1"):
        asdcore.load_scorer("varmin", log=1)
