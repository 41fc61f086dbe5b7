"""Gaussian mixture: the likelihood that its parameters say, and refusals that name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

import asdcore
from asdcore import DataError


def two_groups(dim=6, n=60, seed=0):
    """Normals around two places far from one another and from 0, and test clips of both."""
    rng = np.random.default_rng(seed)
    middle = 500.0 + 20.0 * rng.integers(0, 2, size=n)[:, None] * np.ones(dim)
    train = middle + rng.normal(size=(n, dim)) * np.geomspace(0.5, 3.0, dim)
    return train.astype(np.float32), np.full(n, "source"), (train[:20] + rng.normal(size=(20, dim))).astype(np.float32)


def test_one_component_is_a_gaussian_with_a_floor_on_its_variances():
    train, domain, test = two_groups()
    bank = train.astype(float)
    variances = bank.var(axis=0)
    gaussian = multivariate_normal(bank.mean(axis=0), np.diag(variances + 1e-6 * variances.mean()))
    scores = asdcore.load_scorer("gmm", components=1).fit(train, domain).score(test)["pooled"]
    assert np.allclose(scores, -gaussian.logpdf(test.astype(float)), rtol=1e-9)


def test_equals_sklearn():
    train, domain, test = two_groups()
    bank = train.astype(float) - train.astype(float).mean(axis=0)
    floor = 1e-6 * bank.var(axis=0).mean()
    mixture = GaussianMixture(2, covariance_type="diag", reg_covar=floor, random_state=0).fit(bank)
    expected = -mixture.score_samples(test.astype(float) - train.astype(float).mean(axis=0))
    scores = asdcore.load_scorer("gmm", components=2).fit(train, domain).score(test)["pooled"]
    # Two groups this far apart have one best mixture, whatever the order of the clips.
    assert np.allclose(scores, expected, rtol=1e-6)


def test_components_find_the_groups():
    train, domain, test = two_groups()
    between = np.full((1, 6), 510.0, np.float32)
    for components, found in ((1, False), (2, True)):
        fitted = asdcore.load_scorer("gmm", components=components).fit(train, domain)
        assert (fitted.score(between)["pooled"] > fitted.score(test)["pooled"].max()).all() == found


def test_a_constant_feature_that_changes_is_an_anomaly():
    train, domain, _ = two_groups()
    train[:, 2] = -80.3
    odd = train[:1].copy()
    odd[0, 2] += 0.5
    fitted = asdcore.load_scorer("gmm", components=2).fit(train, domain)
    assert fitted.score(odd)["pooled"][0] > fitted.score(train)["pooled"].max() + 1000


def test_mixture_that_does_not_converge_is_the_same_every_time():
    rng = np.random.default_rng(4)
    train, domain = rng.normal(size=(300, 2)).astype(np.float32), np.full(300, "source")
    one, other = (asdcore.load_scorer("gmm", components=16).fit(train, domain).score(train) for _ in range(2))
    assert one["pooled"].tobytes() == other["pooled"].tobytes()


def test_too_few_different_clips_are_refused():
    train, domain, _ = two_groups()
    with pytest.raises(DataError, match=r"60 train normals of which only 2 differ cannot fill 3.*components to 2"):
        asdcore.load_scorer("gmm", components=3).fit(np.tile(train[:2], (30, 1)), domain)


def test_a_component_needs_two_clips():
    train, domain, _ = (array[:7] for array in two_groups())
    assert asdcore.load_scorer("gmm", components=3).fit(train, domain).score(train)["pooled"].shape == (7,)
    with pytest.raises(DataError, match="gmm needs at least 8 train normals"):
        asdcore.load_scorer("gmm", components=4).fit(train, domain)


@pytest.mark.parametrize("parameters", [{"components": 0}, {"components": 1.5}, {"seed": -1}])
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match=f"{next(iter(parameters))} must be a whole number from"):
        asdcore.load_scorer("gmm", **parameters)
