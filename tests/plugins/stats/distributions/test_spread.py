"""Centre and spread of scores against their definitions; how much too small they are for few values, against scipy."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betainc, ndtr
from scipy.stats import beta, chi, norm

from asdcore import DataError
from asdcore_plugins.stats.distributions.spread import (
    GAUSSIAN_IQR,
    c4,
    expected_gaussian,
    mean_deviation,
    median_iqr,
    small_sample_iqr,
)


@pytest.mark.parametrize(("rank", "n"), [(1, 1), (1, 2), (3, 10), (8, 10), (250, 990), (1, 990), (2500, 9990)])
def test_expected_order_statistics_are_integrals_over_scipys_beta_density(rank, n):
    def weighed(value):
        return value * beta.pdf(norm.cdf(value), rank, n - rank + 1) * norm.pdf(value)

    likely = norm.ppf(rank / (n + 1))
    expected = quad(weighed, -9, 9, points=[likely - 0.2, likely, likely + 0.2], limit=500, epsabs=1e-12)[0]
    assert expected_gaussian(rank, n) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 11, 49, 50, 990, 5000])
def test_the_ratio_is_the_area_between_distribution_functions(n):
    grid = np.linspace(-9.0, 9.0, 4001)

    def distribution(quantile):
        below = math.floor(quantile * (n - 1))
        share = quantile * (n - 1) - below
        lower, upper = (betainc(k, n - k + 1, ndtr(grid)) for k in (below + 1, min(below + 2, n)))
        return (1.0 - share) * lower + share * upper

    area = np.trapezoid(distribution(0.25) - distribution(0.75), grid)
    assert small_sample_iqr(n) == pytest.approx(area / GAUSSIAN_IQR, rel=1e-10)


def test_one_value_has_no_iqr():
    assert small_sample_iqr(1) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 990, 100_000])
def test_the_expected_deviation_is_that_of_scipys_chi(n):
    assert c4(n) == pytest.approx(chi.mean(n - 1) / math.sqrt(n - 1), rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_centres_and_spreads_are_those_of_the_statistics_module(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(5.0, 3.0, size=int(rng.integers(2, 60)))
    low, median, high = statistics.quantiles(scores, n=4, method="inclusive")
    assert median_iqr(scores, "pooled") == pytest.approx((median, high - low), rel=1e-4)
    assert median_iqr(scores, "pooled")[1] > high - low
    assert mean_deviation(scores, "pooled") == pytest.approx((statistics.mean(scores), statistics.stdev(scores)))


@pytest.mark.parametrize("measure", [median_iqr, mean_deviation])
def test_scale_and_offset_of_the_scores_are_those_of_centre_and_spread(measure):
    scores = np.random.default_rng(0).gamma(2.0, size=40)
    centre, spread = measure(scores, "pooled")
    assert measure(8.0 * scores + 3.0, "pooled") == pytest.approx((8.0 * centre + 3.0, 8.0 * spread), rel=1e-9)


@pytest.mark.parametrize("scores", [[2.5] * 4, [0.0] * 9, [1e13, 1e13 + 1.0, 1e13, 1e13 + 1.0]])
def test_scores_that_differ_by_rounding_at_most_have_no_spread(scores):
    with pytest.raises(
        DataError, match=rf"interquartile range of the {len(scores)} train-normal scores \(source\) is 0"
    ):
        median_iqr(np.array(scores), "source")
    with pytest.raises(
        DataError, match=rf"standard deviation of the {len(scores)} train-normal scores \(source\) is 0"
    ):
        mean_deviation(np.array(scores), "source")


def test_half_of_the_scores_being_equal_leaves_a_deviation_and_no_iqr():
    scores = np.array([1.0, 1.0, 1.0, 1.0, 9.0])
    assert mean_deviation(scores, "pooled")[1] == pytest.approx(statistics.stdev(scores))
    with pytest.raises(DataError, match="interquartile range"):
        median_iqr(scores, "pooled")


def test_one_score_has_no_deviation():
    with pytest.raises(DataError, match="standard deviation of the 1 train-normal scores"):
        mean_deviation(np.array([3.0]), "pooled")
