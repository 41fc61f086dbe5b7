"""How much too small an IQR is for few values, against scipy's distribution of order statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betainc, ndtr
from scipy.stats import beta, norm

from asdcore_plugins.stats.distributions.spread import GAUSSIAN_IQR, expected_gaussian, small_sample_iqr


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
