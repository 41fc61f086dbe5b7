"""Cluster exits: a neighbourhood ends where the next clip lies in another cluster."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import asdcore
from asdcore_plugins.scorers.bases.cluster_density import cluster_sizes, smoothed
from asdcore_plugins.stats.distributions.quantiles import row_quantiles


def sizes(within, k, quantile):
    """Neighbourhood sizes by the definition, one clip after the other."""
    found = []
    for i in range(len(within)):
        near = sorted(np.delete(within[i], i))[:k]
        ratio = [a / b for a, b in pairwise(near)]
        smooth = [(a + b) / 2 for a, b in pairwise(ratio)]
        bound = np.quantile(smooth, quantile)
        found.append(max(2, next((j + 1 for j, one in enumerate(smooth) if one < bound), k - 2)))
    return found


@pytest.mark.parametrize("quantile", [0.04, 0.3])
def test_equals_its_formula(data, quantile):
    train, domain, test = data()
    within, across = asdcore.distances(train, train), asdcore.distances(test, train)
    inside = sizes(within, 9, quantile)
    assert len(set(inside)) > 2
    rho = [np.sort(np.delete(within[i], i))[:size].mean() for i, size in enumerate(inside)]
    found = asdcore.load_scorer("ced", k=9, quantile=quantile).fit(train, domain).score(test)["pooled"]
    np.testing.assert_allclose(found, (across / rho).min(axis=1), rtol=5e-6)


def test_a_neighbourhood_ends_where_the_cluster_ends():
    """Eight clips around 0, eight around 100: whoever belongs to a cluster has seven others in it."""
    train = np.concatenate([np.linspace(0, 1, 8), np.linspace(100, 101, 8)])[:, None]
    near = np.sort(np.abs(train - train.T), axis=1)[:, 1:12]
    ratios = smoothed(near)
    found = cluster_sizes(ratios, row_quantiles(ratios, 0.04), np.full(16, 11))
    assert set(found.tolist()) <= {6, 7}


@pytest.mark.parametrize("n", [5, 14, 27])
def test_in_a_small_bank_clusters_end_within_the_nearer_half(data, n):
    train, domain, test = data()
    few, of = train[:n], domain[:n]
    alike = (asdcore.load_scorer("ced", k=k, quantile=0.3, metric="euclidean") for k in (64, max(3, (n - 1) // 2)))
    large, half = (scorer.fit(few, of).score(test)["pooled"] for scorer in alike)
    assert large.tolist() == half.tolist()


def test_in_a_small_domain_clusters_end_within_its_nearer_half(data):
    train, domain, test = data(n_source=13, n_target=13)
    parameters = {"quantile": 0.3, "metric": "euclidean", "among": "domain"}
    large, half = (asdcore.load_scorer("ced", k=k, **parameters).fit(train, domain).score(test) for k in (64, 6))
    assert {name: scores.tolist() for name, scores in large.items()} == {
        name: scores.tolist() for name, scores in half.items()
    }


def test_a_cluster_ends_the_same_whatever_the_clusters_of_others_are(data):
    """A bank far away has gaps of its own; those between the clips of this one mean what they meant."""
    train = data()[0][:30]
    beside = np.concatenate([train, 1e2 + np.arange(40.0, dtype=np.float32)[:, None] ** 2 + train[:1]])
    alone, together = (
        asdcore.load_scorer("ced", k=9, metric="euclidean").fit(bank, np.full(len(bank), "source"))
        for bank in (train, beside)
    )
    np.testing.assert_allclose(alone.score(train + 0.1)["pooled"], together.score(train + 0.1)["pooled"], rtol=1e-4)


def test_a_small_domain_beside_a_large_one_is_left_out_exactly(left_out_is_refitted):
    left_out_is_refitted("ced", rtol=1e-12, sizes=(30, 8), k=6, among="domain", quantile=0.3)


@pytest.mark.parametrize("parameters", [{}, {"k": 5, "metric": "euclidean"}, {"among": "domain", "quantile": 0.2}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("ced", rtol=1e-12, **parameters)


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("ced", k=16)


def test_repeated_clips_and_few_clips_stay_finite(data):
    train, domain, test = data()
    train[:20] = train[0]
    assert np.isfinite(asdcore.load_scorer("ced").fit(train, domain).score_left_out()["pooled"]).all()
    few = asdcore.load_scorer("ced").fit(train[-3:], domain[-3:])
    assert np.isfinite(few.score(test)["pooled"]).all()
    assert np.isfinite(few.score_left_out()["pooled"]).all()


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="k must be a whole number from 3 to 4294967295, got 2"):
        asdcore.load_scorer("ced", k=2)
    with pytest.raises(asdcore.PluginError, match="quantile must be a number from 0 to 1, got -1"):
        asdcore.load_scorer("ced", quantile=-1)
