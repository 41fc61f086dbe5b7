"""Mahalanobis distance under a shrunk covariance, and its exact leave-one-out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf, ShrunkCovariance
from threadpoolctl import threadpool_limits

import asdcore
from asdcore import DataError

BANKS = {"pooled": ("source", "target"), "source": ("source",), "target": ("target",)}


def data(dim, n_source=25, n_target=8, n_test=15, seed=0):
    """Train normals with strongly unequal spreads, and test clips farther out."""
    rng = np.random.default_rng(seed)
    domain = np.array(["source"] * n_source + ["target"] * n_target)
    mix = rng.normal(size=(dim, dim)) * np.geomspace(3.0, 0.1, dim)
    train = rng.normal(size=(len(domain), dim)) @ mix.T + 2.0 * (domain == "target")[:, None] + 5.0
    order = rng.permutation(len(domain))
    test = 2.0 * rng.normal(size=(n_test, dim)) @ mix.T + 6.0
    return train[order].astype(np.float32), domain[order], test.astype(np.float32)


def scorer(references=tuple(BANKS)):
    return asdcore.load_scorer("mahalanobis", references=list(references))


def by_sklearn(train, test):
    return LedoitWolf().fit(train.astype(float)).mahalanobis(test.astype(float))


def without(n, i):
    return np.arange(n) != i


@pytest.mark.parametrize("dim", [1, 5, 40, 200], ids=lambda dim: f"D={dim}")
def test_equals_sklearn(dim):
    train, domain, test = data(dim)
    scores = scorer().fit(train, domain).score(test)
    assert list(scores) == list(BANKS)
    for reference, domains in BANKS.items():
        assert scores[reference].dtype == np.float64
        assert np.allclose(scores[reference], by_sklearn(train[np.isin(domain, domains)], test), rtol=1e-8, atol=0)


@pytest.mark.parametrize("dim", [1, 5, 40, 200], ids=lambda dim: f"D={dim}")
def test_left_out_is_refitting_without_the_clip(dim):
    train, domain, _ = data(dim)
    left_out = scorer().fit(train, domain).score_left_out()
    assert list(left_out) == list(BANKS)
    for i in range(len(train)):
        for reference, domains in BANKS.items():
            bank = train[np.isin(domain, domains) & without(len(train), i)]
            assert left_out[reference][i] == pytest.approx(by_sklearn(bank, train[[i]])[0], rel=1e-8)


@pytest.mark.parametrize("dim", [3, 40], ids=lambda dim: f"D={dim}")
@pytest.mark.parametrize("size", [10.0, 1e3, 1e5, 1e7])
def test_left_out_of_a_clip_that_makes_up_all_of_the_scatter(dim, size):
    train, domain, _ = data(dim, n_target=0)
    train[7] = size * np.random.default_rng(3).normal(size=dim)
    left_out = scorer(["pooled"]).fit(train, domain).score_left_out()["pooled"]
    for i in (0, 7, 11):
        expected = by_sklearn(train[without(len(train), i)], train[[i]])[0]
        # With a clip this far away in the bank, the others are told apart by the last digits of float64.
        assert left_out[i] == pytest.approx(expected, rel=1e-7 if i == 7 else max(1e-7, 1e-15 * size**2))


@pytest.mark.parametrize("dim", [2, 10], ids=lambda dim: f"D={dim}")
def test_fewest_clips(dim):
    train, domain, _ = data(dim, n_source=4, n_target=0)
    left_out = scorer(["source"]).fit(train, domain).score_left_out()["source"]
    expected = [by_sklearn(train[without(4, i)], train[[i]])[0] for i in range(4)]
    assert np.allclose(left_out, expected, rtol=1e-7)


def test_a_reference_of_fewer_than_four_clips_is_left_out():
    # Without one of three clips two remain, and their Ledoit-Wolf covariance has no inverse.
    train, domain, test = data(6, n_target=3)
    fitted = scorer().fit(train, domain)
    assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["pooled", "source"]
    with pytest.raises(DataError, match="at least 4 train normals in one of its references target"):
        scorer(["target"]).fit(train, domain)


def test_default_reference_is_pooled():
    train, domain, test = data(6)
    assert list(asdcore.load_scorer("mahalanobis").fit(train, domain).score(test)) == ["pooled"]


@pytest.mark.parametrize("value", [0.0, 0.1, -80.3])
def test_the_same_features_in_all_clips_are_refused(value):
    # The mean of ten times 0.1 is not 0.1: what is left by rounding must not pass for a spread.
    with pytest.raises(DataError, match="all 10 train normals have the same features"):
        scorer(["pooled"]).fit(np.full((10, 5), value, np.float32), np.full(10, "source"))


@pytest.mark.parametrize("dim", [6, 60], ids=lambda dim: f"D={dim}")
def test_some_constant_features_are_no_trouble(dim):
    train, domain, test = data(dim)
    train[:, ::2] = np.float32(0.1)
    fitted = scorer(["pooled"]).fit(train, domain)
    assert np.allclose(fitted.score(test)["pooled"], by_sklearn(train, test), rtol=1e-8)
    expected = [by_sklearn(train[without(len(train), i)], train[[i]])[0] for i in range(len(train))]
    assert np.allclose(fitted.score_left_out()["pooled"], expected, rtol=1e-8)


def test_two_different_clips_repeated_are_refused():
    train = np.tile(data(5)[0][:2], (6, 1))
    with pytest.raises(DataError, match=r"12 train normals hold too few different features.*repeated clips"):
        scorer(["pooled"]).fit(train, np.full(12, "source"))


def test_one_clip_among_copies_of_another_cannot_be_left_out():
    train = np.repeat(data(5)[0][:1], 8, axis=0)
    train[3] += 1.0
    fitted = scorer(["pooled"]).fit(train, np.full(8, "source"))
    with pytest.raises(DataError, match=r"cannot be scored by the others: all 7 train normals have the same features"):
        fitted.score_left_out()


def test_repeated_clips_are_like_any_other():
    train, domain, test = data(12)
    train[4:9] = train[3]
    fitted = scorer(["pooled"]).fit(train, domain)
    assert np.allclose(fitted.score(test)["pooled"], by_sklearn(train, test), rtol=1e-8)
    expected = [by_sklearn(train[without(len(train), i)], train[[i]])[0] for i in range(10)]
    assert np.allclose(fitted.score_left_out()["pooled"][:10], expected, rtol=1e-8)


@pytest.mark.parametrize("dim", [7, 150], ids=lambda dim: f"D={dim}")
@settings(max_examples=15, deadline=None)
@given(index=st.lists(st.integers(0, 39), min_size=1, max_size=50))
def test_same_bits_in_any_company(dim, index):
    train, domain, test = data(dim, n_test=40)
    fitted = scorer().fit(train, domain)
    whole, part, one = fitted.score(test), fitted.score(test[index]), fitted.score(test[index[:1]])
    for reference in BANKS:
        assert part[reference].tobytes() == whole[reference][index].tobytes()
        assert one[reference].tobytes() == whole[reference][index[:1]].tobytes()


def test_same_bits_for_any_threads_and_memory_layout():
    train, domain, test = data(150)
    # Over so many magnitudes that no sum is exact in float64.
    train *= np.float32(10.0) ** np.random.default_rng(1).integers(-9, 9, size=train.shape)
    fitted = scorer().fit(train, domain)
    scores = fitted.score(test)
    with threadpool_limits(2):
        threaded = fitted.score(test)
    fortran = scorer().fit(np.asfortranarray(train), domain).score(np.asfortranarray(test))
    for reference, values in scores.items():
        assert values.tobytes() == threaded[reference].tobytes() == fortran[reference].tobytes()


def test_frames_are_flattened_and_no_clips_give_no_scores():
    train, domain, test = data(24)
    flat = scorer().fit(train, domain).score(test)
    fitted = scorer().fit(train.reshape(-1, 2, 3, 4), domain)
    assert np.array_equal(flat["pooled"], fitted.score(test.reshape(-1, 2, 3, 4))["pooled"])
    assert fitted.score(test[:0].reshape(0, 2, 3, 4))["pooled"].shape == (0,)


def test_features_of_another_size_are_refused():
    train, domain, test = data(24)
    with pytest.raises(DataError, match=r"23 values a clip cannot be compared with train normals of 24\. .*'frames'"):
        scorer().fit(train, domain).score(test[:, :23])


@pytest.mark.parametrize("method", ["score", "score_left_out"])
def test_before_fit_and_after_a_fit_that_failed(method):
    train, domain, test = data(5)
    mahalanobis, given = scorer(["target"]), [test] if method == "score" else []
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        getattr(mahalanobis, method)(*given)
    mahalanobis.fit(train, domain)
    with pytest.raises(DataError, match="at least 4"):
        mahalanobis.fit(train, np.full(len(train), "source"))
    with pytest.raises(DataError, match="call fit"):
        getattr(mahalanobis, method)(*given)


@pytest.mark.parametrize("references", [[], ["near"], "pooled"])
def test_bad_references(references):
    with pytest.raises(asdcore.PluginError, match="references must be some of pooled, source, target, got"):
        asdcore.load_scorer("mahalanobis", references=references)


def tied_by_hand(train, domain, test):
    """Distances from the mean of each domain, with the library's covariance of clips less their own domain's mean."""
    rows = train.astype(float)
    means = {name: rows[domain == name].mean(axis=0) for name in np.unique(domain)}
    shrunk = LedoitWolf(assume_centered=True).fit(rows - np.array([means[name] for name in domain]))
    distances = {name: shrunk.mahalanobis(test.astype(float) - mean) for name, mean in means.items()}
    return {**distances, "pooled": np.min(list(distances.values()), axis=0)}


def selective_by_hand(train, domain, test):
    distances = {name: by_sklearn(train[domain == name], test) for name in np.unique(domain)}
    return {**distances, "pooled": np.min(list(distances.values()), axis=0)}


BY_HAND = {"tied": tied_by_hand, "selective": selective_by_hand}


@pytest.mark.parametrize("dim", [1, 5, 40, 200], ids=lambda dim: f"D={dim}")
@pytest.mark.parametrize("covariance", list(BY_HAND))
def test_covariances_of_domains_equal_their_definition_and_left_out_refitting(covariance, dim):
    train, domain, test = data(dim)
    fitted = asdcore.load_scorer("mahalanobis", references=list(BANKS), covariance=covariance).fit(train, domain)
    scores, left_out, expected = fitted.score(test), fitted.score_left_out(), BY_HAND[covariance](train, domain, test)
    assert list(scores) == list(left_out) == list(BANKS)
    for reference, values in scores.items():
        assert np.allclose(values, expected[reference], rtol=1e-8, atol=0)
    for i in range(len(train)):
        others = without(len(train), i)
        refitted = BY_HAND[covariance](train[others], domain[others], train[[i]])
        for reference, values in left_out.items():
            assert values[i] == pytest.approx(refitted[reference][0], rel=1e-8)


def test_tied_needs_two_clips_of_a_domain_and_four_in_all():
    for n_target, known in ((2, list(BANKS)), (1, ["pooled", "source"]), (0, ["pooled", "source"])):
        train, domain, test = data(6, n_target=n_target)
        fitted = asdcore.load_scorer("mahalanobis", references=list(BANKS), covariance="tied").fit(train, domain)
        assert list(fitted.score(test)) == list(fitted.score_left_out()) == known
        for i in range(len(train) if n_target != 1 else 0):
            others = without(len(train), i)
            expected = tied_by_hand(train[others], domain[others], train[[i]])["pooled"][0]
            assert fitted.score_left_out()["pooled"][i] == pytest.approx(expected, rel=1e-8)
    train, domain, _ = data(6, n_source=3, n_target=0)
    with pytest.raises(DataError, match="at least 4 train normals"):
        asdcore.load_scorer("mahalanobis", covariance="tied").fit(train, domain)


def test_tied_left_out_of_a_clip_that_makes_up_all_of_the_scatter():
    train, domain, _ = data(30)
    train[7] = 1e5 * np.random.default_rng(3).normal(size=30)
    left_out = asdcore.load_scorer("mahalanobis", covariance="tied").fit(train, domain).score_left_out()["pooled"]
    others = without(len(train), 7)
    expected = tied_by_hand(train[others], domain[others], train[[7]])["pooled"][0]
    assert left_out[7] == pytest.approx(expected, rel=1e-7)


def oas_amount(rows):
    """Eq. 23 of Chen, Wiesel, Eldar and Hero (2010), straight from matrices."""
    n, p = rows.shape
    S = np.cov(rows.astype(float), rowvar=False, bias=True).reshape(p, p)
    above = (1 - 2 / p) * np.trace(S @ S) + np.trace(S) ** 2
    return min(above / ((n + 1 - 2 / p) * (np.trace(S @ S) - np.trace(S) ** 2 / p)), 1.0)


@pytest.mark.parametrize("dim", [3, 40], ids=lambda dim: f"D={dim}")
@pytest.mark.parametrize("shrinkage", ["oas", 0.1, 0.9])
def test_other_shrinkages_equal_their_definition_and_left_out_refitting(shrinkage, dim):
    def by_hand(bank, clips):
        amount = oas_amount(bank) if shrinkage == "oas" else shrinkage
        return ShrunkCovariance(shrinkage=amount).fit(bank.astype(float)).mahalanobis(clips.astype(float))

    train, domain, test = data(dim)
    fitted = asdcore.load_scorer("mahalanobis", shrinkage=shrinkage).fit(train, domain)
    assert np.allclose(fitted.score(test)["pooled"], by_hand(train, test), rtol=1e-8)
    expected = [by_hand(train[without(len(train), i)], train[[i]])[0] for i in range(len(train))]
    assert np.allclose(fitted.score_left_out()["pooled"], expected, rtol=1e-8)


@pytest.mark.parametrize("covariance", ["selective", "tied"])
def test_same_bits_in_any_company_with_covariances_of_domains(covariance):
    train, domain, test = data(60, n_test=40)
    fitted = asdcore.load_scorer("mahalanobis", covariance=covariance).fit(train, domain)
    whole = fitted.score(test)["pooled"]
    with threadpool_limits(2):
        assert fitted.score(test[5:9])["pooled"].tobytes() == whole[5:9].tobytes()
    assert fitted.score(test[7:8])["pooled"].tobytes() == whole[7:8].tobytes()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"covariance": "full"}, "covariance must be one of reference, selective, tied, got 'full'"),
        ({"shrinkage": "lw"}, "shrinkage must be one of ledoit_wolf, oas, or a number, got 'lw'"),
        ({"shrinkage": 0}, "shrinkage must be a number above 0 and below 1, got 0"),
        ({"shrinkage": True}, "shrinkage must be a number above 0 and below 1, got True"),
    ],
)
def test_bad_covariance_and_shrinkage(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("mahalanobis", **parameters)
