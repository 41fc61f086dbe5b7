"""Local outlier factor: scikit-learn's, with leave-one-out that the neighbours' densities know of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

import asdcore
from asdcore import DataError


def oracle(train, test, k, metric):
    fitted = LocalOutlierFactor(n_neighbors=k, metric="precomputed", novelty=True)
    return -fitted.fit(asdcore.distances(train, train, metric)).score_samples(asdcore.distances(test, train, metric))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 9])
def test_equals_sklearn(data, metric, k):
    train, domain, test = data()
    scores = asdcore.load_scorer("lof", k=k, metric=metric).fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], oracle(train, test, k, metric), rtol=1e-10)
    np.testing.assert_allclose(scores["target"], oracle(train[domain == "target"], test, k, metric), rtol=1e-10)


@pytest.mark.parametrize("parameters", [{"k": 3}, {"k": 20, "metric": "euclidean"}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(data, leave_one_out, parameters):
    train, domain, _ = data(n_source=14, n_target=6)
    left_out = asdcore.load_scorer("lof", **parameters).fit(train, domain).score_left_out()
    for reference, scores in leave_one_out("lof", train, domain, **parameters).items():
        np.testing.assert_allclose(left_out[reference], scores, rtol=1e-12)


def test_repeated_clips_equal_sklearn_and_stay_finite(data):
    train, domain, test = data()
    train[:8] = train[0]
    fitted = asdcore.load_scorer("lof", k=3).fit(train, domain)
    np.testing.assert_allclose(fitted.score(test)["pooled"], oracle(train, test, 3, "cosine"), rtol=1e-9)
    assert np.isfinite(fitted.score_left_out()["pooled"]).all()


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("lof")


def test_too_few_clips(data):
    train, domain, test = data(n_target=2)
    assert list(asdcore.load_scorer("lof").fit(train, domain).score(test)) == ["pooled", "source"]
    with pytest.raises(DataError, match="lof needs at least 3 train normals"):
        asdcore.load_scorer("lof").fit(train[:2], domain[:2])


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="k must be a whole number from 1 to 4294967295, got 0"):
        asdcore.load_scorer("lof", k=0)
