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


@pytest.mark.filterwarnings("ignore:n_neighbors")  # which scikit-learn reduces, as asdcore does
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 9, 10, 11, 20, 1000])  # as many as there are target clips, and more
def test_equals_sklearn(data, metric, k):
    # Which adds 1e-10 to every mean reach, of 0.01 here at least.
    train, domain, test = data()
    scores = asdcore.load_scorer("lof", k=k, metric=metric).fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], oracle(train, test, k, metric), rtol=1e-8)
    np.testing.assert_allclose(scores["target"], oracle(train[domain == "target"], test, k, metric), rtol=1e-8)


@pytest.mark.parametrize("parameters", [{"k": 3}, {"k": 20, "metric": "euclidean"}, {"k": 1000}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("lof", rtol=1e-12, **parameters)


@pytest.mark.parametrize("copies", [1, 3, 8, 21])
def test_repeated_clips_count_once(data, copies):
    train, domain, test = data(n_target=12)
    again = np.concatenate([train, np.repeat(train[:1], copies, axis=0)])
    also = np.concatenate([domain, np.repeat(domain[:1], copies)])
    once = asdcore.load_scorer("lof", k=3).fit(train, domain)
    often = asdcore.load_scorer("lof", k=3).fit(again, also)
    for reference, scores in once.score(test).items():
        np.testing.assert_allclose(often.score(test)[reference], scores, rtol=1e-9)
        left_out, before = often.score_left_out()[reference], once.score_left_out()[reference]
        np.testing.assert_allclose(left_out[1 : len(train)], before[1:], rtol=1e-9)
        # Without one of them the bank is what it was: the clip meets its own copy.
        same = left_out[[0, *range(len(train), len(again))]]
        np.testing.assert_allclose(same, np.full(len(same), once.score(train[:1])[reference][0]), rtol=1e-9)


def test_a_handful_of_equal_clips_among_a_thousand_explodes_nothing():
    """k + 1 of them lie at no distance from one another: whoever was near them had a left-out score of 1e8."""
    rng = np.random.default_rng(0)
    train, domain = rng.normal(size=(994, 8)).astype(np.float32), np.full(994, "source")
    train[1:5] = train[0]
    for noise in (0.0, 1e-7, 1e-4):
        given = train + np.float32(noise) * rng.normal(size=train.shape).astype(np.float32)
        fitted = asdcore.load_scorer("lof", k=4, references=["pooled"]).fit(given, domain)
        assert fitted.score_left_out()["pooled"].max() < 100
        assert fitted.score(given[:5] + np.float32(0.1))["pooled"].max() < 100


def test_copies_that_are_left_out_together_leave_no_place_behind(data):
    train, domain, _ = data(n_source=20, n_target=8)
    train[[3, 7, 11]] = train[3]
    groups = [np.array([3, 7, 11]) if i in (3, 7, 11) else np.array([i, (i + 1) % 28]) for i in range(28)]
    left_out = asdcore.load_scorer("lof", k=3).fit(train, domain).score_left_out(without=groups)
    for i in (3, 7, 11, 0, 6):
        rest = np.setdiff1d(np.arange(28), np.append(groups[i], i))
        refit = asdcore.load_scorer("lof", k=3).fit(train[rest], domain[rest]).score(train[[i]])
        for reference, scores in refit.items():
            np.testing.assert_allclose(left_out[reference][i], scores[0], rtol=1e-9)


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


@pytest.mark.parametrize("repeated", ["source", "target"])
def test_a_reference_of_repeated_clips_is_left_out_when_clips_are_left_out_too(repeated):
    rows = np.random.default_rng(0).normal(size=(15, 8)).astype(np.float32)
    domain = np.array(["source"] * 12 + ["target"] * 3)
    rows[domain == repeated] = rows[domain == repeated][0]
    scorer = asdcore.load_scorer("lof", k=4).fit(rows, domain)
    assert scorer.score_left_out().keys() == scorer.score(rows).keys() == {"pooled", "source", "target"} - {repeated}
