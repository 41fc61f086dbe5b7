"""The gamma distribution: scipy's fit and tails, precise where scipy's run out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import gamma

import asdcore
from asdcore import DataError
from asdcore_plugins.normalizers.gamma import GammaDistribution, fit_gamma

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.gamma(4.0, 0.02, size=200), RNG.gamma(3.0, 0.05, size=10)
DOMAIN = np.array(["source"] * 200 + ["target"] * 10)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, np.full(10, 1e6)]),
    "target": np.concatenate([np.full(200, 1e6), TARGET]),
}


def fitted(train=TRAIN, domain=DOMAIN, **parameters):
    return asdcore.load_normalizer("gamma", **parameters).fit(train, domain)


def fit_of(scores):
    return fit_gamma(float(np.mean(scores)), float(np.mean(np.log(scores))), "all")


@pytest.mark.parametrize("scores", [SOURCE, TARGET, 1e-9 * SOURCE, 1e6 * SOURCE, 1 + 0.1 * SOURCE])
def test_the_fit_is_scipys(scores):
    shape, _, scale = gamma.fit(scores, floc=0)
    found = fit_of(scores)
    assert found.shape == pytest.approx(shape, rel=1e-6)
    assert found.scale == pytest.approx(scale, rel=1e-6)


def test_the_fit_solves_the_likelihood_equation():
    from scipy.special import digamma

    for scores in (SOURCE, TARGET, np.array([1.0, 1.0001])):
        found = fit_of(scores)
        spread = math.log(np.mean(scores)) - np.mean(np.log(scores))
        assert math.log(found.shape) - digamma(found.shape) == pytest.approx(spread, rel=1e-6)


def test_both_outputs_are_scipys():
    scores = {"pooled": np.linspace(0.0, 1.0, 200)}
    shape, _, scale = gamma.fit(TRAIN["pooled"], floc=0)
    expected = gamma(shape, scale=scale)
    z = fitted(scope="pooled").transform(scores)
    assert np.allclose(z, -expected.logsf(scores["pooled"]), rtol=1e-5, atol=1e-12)
    probability = fitted(scope="pooled", output="probability").transform(scores)
    assert np.allclose(probability, expected.cdf(scores["pooled"]), rtol=1e-5)


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.0, 250.0])
def test_far_tails_against_the_closed_form_and_without_a_seam(shape):
    distribution = GammaDistribution(shape, 2.0)
    x = np.linspace(shape + 400.0, shape + 2500.0, 4000)
    above = distribution.log_above(2.0 * x)
    assert np.isfinite(above).all()
    assert (np.diff(above) < 0).all()
    assert gamma(shape).sf(x[0]) > 0.0 == gamma(shape).sf(x[-1])
    # The slope, minus the hazard rate, changes by less than |shape - 1| / (x - shape)^2: also where one way takes over.
    bends = np.abs(np.diff(np.diff(above) / np.diff(x)))
    assert (bends <= abs(shape - 1) / (x[:-2] - shape) ** 2 * (x[1] - x[0]) + 1e-9).all()
    if shape == 1.0:
        assert np.allclose(above, -x, rtol=1e-12)


@pytest.mark.parametrize("spread", [1e-2, 1e-4])
def test_scores_close_together_have_a_large_shape_and_no_seam(spread):
    # The shape is one over the squared relative deviation, here up to 1e8.
    scores = 1 + spread * np.random.default_rng(2).standard_normal(1000)
    found = fit_of(scores)
    assert found.shape == pytest.approx((scores.mean() / scores.std()) ** 2, rel=0.02)
    above = found.log_above(1 + spread * np.linspace(-3, 60, 400))
    assert np.isfinite(above).all()
    assert (np.diff(above) <= 1e-6).all()


def test_an_integer_shape_is_a_finite_sum():
    # 1 - F of shape 4 is exp(-x) (1 + x + x^2/2 + x^3/6).
    x = np.array([5.0, 700.0, 1e4, 1e6])
    expected = -x + np.log(1 + x + x**2 / 2 + x**3 / 6)
    assert np.allclose(GammaDistribution(4.0, 1.0).log_above(x), expected, rtol=1e-11)


def test_the_targets_likelihood_counts_as_many_source_clips():
    # kappa source clips are the source's mean and mean logarithm with that weight.
    mean = (10 * TARGET.mean() + 30 * SOURCE.mean()) / 40
    log_mean = (10 * np.log(TARGET).mean() + 30 * np.log(SOURCE).mean()) / 40
    expected = fit_gamma(mean, log_mean, "target")
    scores = {"source": np.full(50, 1e3), "target": np.linspace(0.01, 2, 50)}
    found = fitted(shrinkage=30).transform(scores)
    assert np.allclose(found, -expected.log_above(scores["target"]), rtol=1e-12)
    alone = fitted(shrinkage=0, scope="target").transform(scores)
    assert np.allclose(alone, -fit_of(TARGET).log_above(scores["target"]), rtol=1e-12)


def test_silence_at_test_time_is_the_most_normal():
    z = fitted().transform({"source": np.array([0.0, -1.0, 0.1]), "target": np.array([0.0, 0.0, 0.2])})
    assert z[0] == z[1] == 0.0 < z[2]


def test_scores_that_are_not_above_0_are_refused():
    with pytest.raises(DataError, match=r"go down to 0; a gamma distribution needs scores above 0"):
        fitted({"pooled": np.concatenate([[0.0], TRAIN["pooled"][1:]])}, scope="pooled")


@pytest.mark.parametrize("value", [0.1, 3.0, 1e-7])
def test_all_the_same_is_refused(value):
    with pytest.raises(DataError, match=r"\(all\) are all the same, or nearly, so no gamma distribution fits"):
        fitted({"pooled": np.full(210, value)}, scope="pooled")
