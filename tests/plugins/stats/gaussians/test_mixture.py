"""Gaussian mixtures: those of scikit-learn, scored to the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from asdcore import DataError
from asdcore_plugins.stats.gaussians.mixture import fit_mixture


def clips(n=200, dim=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) + 3.0 * (np.arange(n) % 3 == 0)[:, None] + 100.0


@pytest.mark.parametrize(("components", "floor"), [(1, 1e-6), (2, 1e-6), (2, 0.1), (4, 0.5)])
def test_scores_are_the_negative_log_likelihood_of_scikit_learn(components, floor):
    train, test = clips(), clips(20, seed=1)
    oracle = GaussianMixture(
        components,
        covariance_type="diag",
        reg_covar=floor * train.var(axis=0).mean(),
        max_iter=200,
        random_state=3,
    ).fit(train - train.mean(axis=0))
    found = fit_mixture(train, components, 3, floor).scores(test)
    np.testing.assert_allclose(found, -oracle.score_samples(test - train.mean(axis=0)), rtol=1e-9)


def test_same_bits_whatever_clips_are_scored_together():
    mixture, test = fit_mixture(clips(), 2, 0, 1e-6), clips(30, seed=1)
    whole = mixture.scores(test)
    assert mixture.scores(test[[7, 7, 3]]).tobytes() == whole[[7, 7, 3]].tobytes()


def test_a_large_offset_changes_nothing():
    train, test = clips(), clips(20, seed=1)
    far_off = fit_mixture(train + 1e6, 2, 0, 1e-6).scores(test + 1e6)
    np.testing.assert_allclose(far_off, fit_mixture(train, 2, 0, 1e-6).scores(test), rtol=1e-6)


def test_fewer_different_clips_than_components_are_refused():
    with pytest.raises(DataError, match="9 train normals of which only 2 differ cannot fill 3 components"):
        fit_mixture(np.repeat(np.eye(2), [4, 5], axis=0), 3, 0, 1e-6)
