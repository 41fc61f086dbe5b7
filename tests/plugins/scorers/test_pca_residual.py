"""PCA residual: what a library's reconstruction leaves over, to the last digits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import asdcore
from asdcore import DataError


def data(dim=20, n=40, seed=0):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(dim, dim)) * np.geomspace(4.0, 0.1, dim)
    train = rng.normal(size=(n, dim)) @ mix.T + 30.0
    test = 2.0 * rng.normal(size=(15, dim)) @ mix.T + 30.0
    return train.astype(np.float32), np.full(n, "source"), test.astype(np.float32)


def by_sklearn(train, test, components):
    pca = PCA(components, svd_solver="full").fit(train.astype(float))
    rebuilt = pca.inverse_transform(pca.transform(test.astype(float)))
    return np.square(test.astype(float) - rebuilt).sum(axis=1)


@pytest.mark.parametrize("dim", [20, 300], ids=lambda dim: f"D={dim}")
@pytest.mark.parametrize("components", [1, 7, 0.5, 0.95, 0.999])
def test_equals_sklearn(components, dim):
    train, domain, test = data(dim)
    scores = asdcore.load_scorer("pca_residual", components=components).fit(train, domain).score(test)
    assert np.allclose(scores["pooled"], by_sklearn(train, test, components), rtol=1e-8)


def test_more_components_than_the_clips_span_are_as_many_as_they_span():
    train, domain, test = data(dim=60, n=10)
    most, more = (asdcore.load_scorer("pca_residual", components=k).fit(train, domain).score(test) for k in (9, 32))
    assert most["pooled"].tobytes() == more["pooled"].tobytes()
    assert np.allclose(most["pooled"], by_sklearn(train, test, 9), rtol=1e-8)


def test_a_clip_inside_the_subspace_scores_nothing():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(2, 12))
    train = (rng.normal(size=(30, 2)) @ plane).astype(np.float32)
    fitted = asdcore.load_scorer("pca_residual", components=2).fit(train, np.full(30, "source"))
    inside, outside = fitted.score((100.0 * plane[:1]).astype(np.float32)), fitted.score(np.ones((1, 12), np.float32))
    assert inside["pooled"][0] < 1e-6 < 0.1 < outside["pooled"][0]


def test_as_many_components_as_features_are_refused():
    train, domain, _ = data(dim=5)
    with pytest.raises(DataError, match=r"5 principal components leave nothing of 5 features\. .*below 5"):
        asdcore.load_scorer("pca_residual", components=8).fit(train, domain)
    with pytest.raises(DataError, match="more than one feature"):
        asdcore.load_scorer("pca_residual").fit(train[:, :1], domain)


def test_fits_a_thousand_clips_of_6144_features():
    rng = np.random.default_rng(2)
    train = (rng.normal(size=(1000, 12)) @ rng.normal(size=(12, 6144))).astype(np.float32)
    train += 0.1 * rng.normal(size=train.shape).astype(np.float32)
    scores = asdcore.load_scorer("pca_residual", components=12).fit(train, np.full(1000, "source")).score(train[:5])
    assert scores["pooled"] == pytest.approx(0.01 * 6144, rel=0.1)


@pytest.mark.parametrize("components", [0, -1, 0.0, 1.0, True, "0.95"])
def test_bad_components(components):
    with pytest.raises(asdcore.PluginError, match="components must be a"):
        asdcore.load_scorer("pca_residual", components=components)
