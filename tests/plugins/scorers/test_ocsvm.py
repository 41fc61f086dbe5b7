"""One-class SVM: ordered as the library's decision function, without its ties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

import asdcore


def data(dim=8, n=80, seed=0, offset=40.0):
    rng = np.random.default_rng(seed)
    train = offset * np.arange(dim) + rng.normal(size=(n, dim)) * np.geomspace(0.3, 2.0, dim)
    test = offset * np.arange(dim) + 2.0 * rng.normal(size=(30, dim))
    return train.astype(np.float32), np.full(n, "source"), test.astype(np.float32)


@pytest.mark.parametrize("nu", [0.05, 0.5, 0.95])
def test_is_the_logarithm_of_sklearns_decision_function(nu):
    train, domain, test = data()
    bank = train.astype(float)
    machine = OneClassSVM(nu=nu, gamma=1.0 / bank.var(axis=0).sum(), tol=1e-8).fit(bank - bank.mean(axis=0))
    decision, rho = machine.decision_function(test.astype(float) - bank.mean(axis=0)), -machine.intercept_[0]
    scores = asdcore.load_scorer("ocsvm", nu=nu).fit(train, domain).score(test)["pooled"]
    # f = rho (exp(-score) - 1); both machines stop where further steps would change little.
    assert np.allclose(rho * np.expm1(-scores), decision, atol=2e-3 * rho)


@pytest.mark.parametrize("nu", [0.1, 0.3])
def test_nu_lies_between_the_share_outside_and_the_share_not_inside(nu):
    # The nu-property of Schölkopf et al. (2001); the solver leaves clips on the boundary a little off it.
    train, domain, _ = data(n=200)
    scores = asdcore.load_scorer("ocsvm", nu=nu).fit(train, domain).score(train)["pooled"]
    assert (scores > 1e-3).mean() <= nu <= (scores > -1e-3).mean()


def test_clips_far_away_do_not_tie():
    train, domain, test = data()
    away = (test[:1] + np.geomspace(10, 1e6, 12)[:, None]).astype(np.float32)
    scores = asdcore.load_scorer("ocsvm").fit(train, domain).score(away)["pooled"]
    assert (np.diff(scores) > 0).all()


def test_an_offset_of_the_features_does_not_matter():
    scores = []
    for offset in (0.0, 1024.0):
        train, domain, test = data()
        move = np.float32(offset)
        scores.append(asdcore.load_scorer("ocsvm").fit(np.round(train * 64) / 64 + move, domain))
        scores[-1] = scores[-1].score(np.round(test * 64) / 64 + move)["pooled"]
    # The order in which the solver sees the clips differs, and with it where it stops.
    assert np.allclose(*scores, atol=2e-3)


@pytest.mark.parametrize("nu", [0, 1, 1.1, -0.5, True, "0.1", float("nan")])
def test_bad_nu(nu):
    with pytest.raises(asdcore.PluginError, match="nu must be a number above 0 and below 1, got"):
        asdcore.load_scorer("ocsvm", nu=nu)
