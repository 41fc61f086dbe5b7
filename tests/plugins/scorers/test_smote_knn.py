"""SMOTE: points between target clips, as if their features had been made; what cannot be filled up says why."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import asdcore
from asdcore.testing import checks


def filled(train, domain, ratio, neighbours, metric):
    """The target bank with its points, made as features."""
    target = train[domain == "target"].astype(float)
    if metric == "cosine":
        target /= np.linalg.norm(target, axis=1, keepdims=True)
    within = np.linalg.norm(target[:, None] - target, axis=-1)
    lines = [(i, j) for i in range(len(target)) for j in np.argsort(within[i])[1 : neighbours + 1]]
    each = int(np.ceil((ratio * np.sum(domain == "source") - len(target)) / len(lines)))
    shares = np.arange(1, each + 1) / (each + 1)
    points = [target[i] + share * (target[j] - target[i]) for i, j in lines for share in shares]
    return np.concatenate([target, np.array(points)])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_nearest_neighbours_of_a_bank_with_the_points_made(data, metric, k):
    train, domain, test = data(n_source=200)
    bank = filled(train, domain, 0.5, 2, metric)
    assert len(bank) == 110
    fitted = asdcore.load_scorer("smote_knn", k=k, ratio=0.5, metric=metric).fit(train, domain)
    scores = fitted.score(test)
    across = np.sort(asdcore.distances(test, bank, metric), axis=1)[:, :k].mean(axis=1)
    np.testing.assert_allclose(scores["target"], across, rtol=1e-10)
    knn = asdcore.load_scorer("knn", k=k, metric=metric).fit(train, domain).score(test)
    assert np.array_equal(scores["source"], knn["source"])
    assert (scores["target"] <= knn["target"]).all()
    if k == 1:
        assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_draws_the_points_of_imbalanced_learn(data, metric, seed):
    from imblearn.over_sampling import SMOTE

    train, domain, test = data(n_source=203)
    rows = train.astype(float)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    oracle = SMOTE(sampling_strategy=0.4, k_neighbors=2, random_state=seed)
    bank, names = oracle.fit_resample(rows, domain)
    assert np.sum(names == "target") == 81
    fitted = asdcore.load_scorer("smote_knn", ratio=0.4, metric=metric, seed=seed).fit(train, domain)
    scores = fitted.score(test)
    nearest = asdcore.distances(test, bank[names == "target"], metric).min(axis=1)
    np.testing.assert_allclose(scores["target"], nearest, rtol=1e-10)
    assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))


@pytest.mark.parametrize(
    "parameters",
    [
        {"ratio": 0.9},
        {"ratio": 0.9, "k": 2, "neighbours": 8, "metric": "euclidean"},
        {"ratio": 0.9, "seed": 0},
        {"ratio": 0.7, "neighbours": 8, "metric": "euclidean", "seed": 5},
    ],
)
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("smote_knn", rtol=1e-10, sizes=(20, 6), **parameters)


@pytest.mark.parametrize(
    ("n_target", "why"),
    [(0, "no line between its 0 target"), (1, "no line between its 1 target"), (7, "7 target clips already, of the 6")],
)
@pytest.mark.parametrize("seed", [None, 0])
def test_too_few_or_too_many_target_clips_say_so_and_score_as_knn(data, n_target, why, seed):
    train, domain, test = data(n_target=n_target)
    with pytest.warns(UserWarning, match=why):
        fitted = asdcore.load_scorer("smote_knn", seed=seed).fit(train, domain)
    knn = asdcore.load_scorer("knn").fit(train, domain)
    for plain, found in ((knn.score(test), fitted.score(test)), (knn.score_left_out(), fitted.score_left_out())):
        assert list(plain) == list(found)
        assert all(np.array_equal(plain[name], found[name]) for name in plain)


def test_fewer_target_clips_than_neighbours_is_fine(data):
    train, domain, test = data(n_target=2)
    fitted = asdcore.load_scorer("smote_knn", neighbours=5).fit(train, domain)
    assert list(fitted.score(test)) == ["pooled", "source", "target"]
    assert np.isfinite(fitted.score_left_out()["target"]).all()


def test_opposite_and_repeated_clips_stay_finite(data):
    train, domain, test = data(n_target=3)
    rows = np.flatnonzero(domain == "target")
    train[rows[1]], train[rows[2]] = -train[rows[0]], train[rows[0]]
    scores = asdcore.load_scorer("smote_knn", ratio=1.0).fit(train, domain).score(test)
    assert all(np.isfinite(one).all() for one in scores.values())


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("smote_knn", ratio=1.0, k=3)
    same_bits_in_any_company("smote_knn", ratio=1.0, seed=3)


@pytest.mark.parametrize("name", [name for name in checks("scorer") if name != "check_train_order_is_irrelevant"])
def test_conforms_under_a_seed_but_for_the_order_of_clips(name):
    checks("scorer")[name](functools.partial(asdcore.load_scorer, "smote_knn", ratio=0.5, seed=0))


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="ratio must be a number from 0 to 1, got 2"):
        asdcore.load_scorer("smote_knn", ratio=2)
    with pytest.raises(asdcore.PluginError, match="neighbours must be a whole number from 1 to 4294967295, got 0"):
        asdcore.load_scorer("smote_knn", neighbours=0)
    with pytest.raises(asdcore.PluginError, match="seed must be a whole number from 0 to 4294967295, got -1"):
        asdcore.load_scorer("smote_knn", seed=-1)
