"""MemMixup: points from target to source clips, as if their features had been made."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore


def extended(train, domain, alpha, k_source, metric):
    """The target bank with its points, made as features."""
    rows = train.astype(float)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    source, target = rows[domain == "source"], rows[domain == "target"]
    points = []
    for one in target:
        nearest = np.argsort(np.linalg.norm(source - one, axis=1))[:k_source]
        points += [alpha * one + (1 - alpha) * source[i] for i in nearest]
    return np.concatenate([target, np.array(points)])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("alpha", "k_source", "k"), [(0.9, None, 1), (0.6, 4, 3)])
def test_equals_nearest_neighbours_of_a_bank_with_the_points_made(data, metric, alpha, k_source, k):
    train, domain, test = data()
    bank = extended(train, domain, alpha, k_source, metric)
    assert len(bank) == 10 + 10 * (k_source or 30)
    fitted = asdcore.load_scorer("memmixup", alpha=alpha, k_source=k_source, k=k, metric=metric).fit(train, domain)
    across = np.sort(asdcore.distances(test, bank, metric), axis=1)[:, :k].mean(axis=1)
    np.testing.assert_allclose(fitted.score(test)["target"], across, rtol=1e-10)


@pytest.mark.parametrize("parameters", [{}, {"k": 3, "k_source": 4, "metric": "cosine"}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("memmixup", rtol=1e-10, **parameters)


@pytest.mark.parametrize("n_target", [0, 1])
def test_without_target_clips_it_is_knn(data, n_target):
    train, domain, test = data(n_target=n_target)
    fitted = asdcore.load_scorer("memmixup").fit(train, domain)
    assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["pooled", "source"]
    knn = asdcore.load_scorer("knn", metric="euclidean").fit(train, domain)
    assert np.array_equal(fitted.score(test)["source"], knn.score(test)["source"])
    assert (fitted.score(test)["pooled"] <= knn.score(test)["pooled"]).all()


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("memmixup", k=2)


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="alpha must be a number from 0 to 1, got 1.1"):
        asdcore.load_scorer("memmixup", alpha=1.1)
    with pytest.raises(asdcore.PluginError, match="k_source must be a whole number from 1 to 4294967295, got 0"):
        asdcore.load_scorer("memmixup", k_source=0)
