"""The generalized Pareto tail: its moments, its seam with the body, its target."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import genpareto, norm

import asdcore
from asdcore import DataError, SmoothEcdf
from asdcore_plugins.normalizers.gpd import ParetoTail, pareto_moments
from asdcore_plugins.stats.distributions.spread import median_iqr, small_sample_iqr

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.gamma(3.0, size=300), 4.0 + 2.0 * RNG.gamma(3.0, size=10)
DOMAIN = np.array(["source"] * 300 + ["target"] * 10)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, np.full(10, 1e6)]),
    "target": np.concatenate([np.full(300, 1e6), TARGET]),
}


def fitted(train=TRAIN, domain=DOMAIN, **parameters):
    return asdcore.load_normalizer("gpd", **parameters).fit(train, domain)


@pytest.mark.parametrize(("shape", "scale"), [(0.1, 1.0), (0.3, 5.0)])
def test_moments_recover_what_made_the_sample(shape, scale):
    sample = np.sort(genpareto(shape, scale=scale).rvs(200_000, random_state=1))
    found = pareto_moments(sample)
    # The standard errors of 200,000 values are about 0.004 for xi.
    assert found[0] == pytest.approx(shape, abs=0.02)
    assert found[1] == pytest.approx(scale, rel=0.02)


def test_moments_by_hand():
    # Excesses 0, 1, 8: mean 3; weights 1, 1/2, 0 give 1/6. xi = 2 - 3 / (3 - 1/3), beta = 2 * 3 / 6 / (3 - 1/3).
    assert pareto_moments(np.array([0.0, 1.0, 8.0])) == pytest.approx((2 - 9 / 8, 3 / 8))


def test_a_bounded_tail_is_held_at_the_exponential():
    assert pareto_moments(np.linspace(0.1, 1.0, 100)) == (0.0, pytest.approx(0.55))
    assert pareto_moments(np.full(12, 2.0)) == (0.0, 2.0)


def test_below_the_threshold_it_is_the_smooth_cdf_and_above_it_scipys_pareto():
    pooled = TRAIN["pooled"]
    start = np.quantile(pooled, 0.85)
    body = SmoothEcdf(pooled)
    shape, scale = pareto_moments(np.sort(pooled[pooled > start]) - start)
    low, high = np.linspace(-5, start, 100), np.linspace(start, 200, 100)[1:]
    probability = fitted(output="probability")
    assert np.allclose(probability.transform({"pooled": low}), body.cdf(low), rtol=1e-13)
    share = body.survival(np.array([start]))[0]
    tail = share * genpareto(shape, scale=scale).sf(high - start)
    assert np.allclose(fitted().transform({"pooled": high}), -np.log(tail), rtol=1e-9)
    assert np.allclose(probability.transform({"pooled": high}), 1 - tail, rtol=1e-12)


def test_normal_is_the_gaussian_quantile_in_both_tails():
    scores = {"pooled": np.linspace(-50, 500, 300)}
    quantile, surprise = fitted(output="normal").transform(scores), fitted().transform(scores)
    below = fitted(output="probability").transform(scores)
    assert np.allclose(quantile, np.where(below < 0.5, norm.ppf(below), norm.isf(np.exp(-surprise))), rtol=1e-9)


@pytest.mark.parametrize("output", ["normal", "surprise"])
def test_strictly_increasing_without_a_seam_and_finite_far_out(output):
    start = np.quantile(TRAIN["pooled"], 0.85)
    scores = np.concatenate([np.linspace(-5, 100, 5000), np.geomspace(101, 1e12, 500)])
    z = fitted(output=output).transform({"pooled": scores})
    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()
    near = fitted(output=output).transform({"pooled": np.array([start, np.nextafter(start, 99.0)])})
    assert near[1] - near[0] < 1e-12


def test_the_target_has_the_sources_shape_at_its_own_place_and_scale():
    (m_s, iqr_s), (m_t, iqr_t) = median_iqr(SOURCE, "source"), median_iqr(TARGET, "target")
    scores = {"source": np.full(40, 1e9), "target": np.linspace(0, 60, 40)}
    curve = ParetoTail.of(SOURCE, 0.85, "source")
    for kappa in (0.0, 10.0):
        place = (10 * m_t + kappa * m_s) / (10 + kappa)
        scale = np.exp((10 * np.log(iqr_t / small_sample_iqr(10)) + kappa * np.log(iqr_s)) / (10 + kappa))
        expected = -curve.log_above((scores["target"] - place) * iqr_s / scale + m_s)
        assert np.allclose(fitted(scope="domain_min", shrinkage=kappa).transform(scores), expected, rtol=1e-10)


def test_a_tail_of_too_few_is_refused():
    with pytest.raises(
        DataError, match=r"6 of the 40 .* lie above their quantile 0.85; a tail needs 10\. Choose a lower"
    ):
        fitted({"pooled": SOURCE[:40]}, DOMAIN[:40])
    with pytest.raises(DataError, match="a tail needs 10"):
        fitted({"pooled": np.where(SOURCE > 3, 3.0, SOURCE)}, DOMAIN[:300])
    assert np.isfinite(fitted({"pooled": SOURCE[:40]}, DOMAIN[:40], threshold=0.5).transform(TRAIN)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": 1.0}, "threshold must be between 0 and 1, got 1.0"),
        ({"output": "z"}, "output must be one of probability, normal, surprise, got 'z'"),
        ({"scope": "domain_soft"}, "scope must be one of pooled, source, target, domain_min, got 'domain_soft'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_normalizer("gpd", **parameters)
