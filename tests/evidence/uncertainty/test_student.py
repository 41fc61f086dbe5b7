"""asdcore.evidence.uncertainty.student: quantiles and probabilities of Student's t, against SciPy's."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm, t

from asdcore.evidence.uncertainty.student import TABLE, TABLED, student_quantile, student_two_sided


def test_the_table_is_that_of_student():
    # 30 degrees is where the table of most books ends, too.
    assert list(TABLE) == pytest.approx(t.ppf(TABLED, range(1, 31)), rel=1e-13)
    assert [round(TABLE[degrees - 1], 3) for degrees in (1, 5, 10, 30)] == [12.706, 2.571, 2.228, 2.042]


@pytest.mark.parametrize("degrees", [1, 2.0, 2.5, 15, 30, 30.5, 31, 1e5])
@pytest.mark.parametrize("share", [0.025, 0.8, 0.95, 0.975, 0.995])
def test_a_quantile_is_that_of_scipy(share, degrees):
    quantile = student_quantile(share, degrees)
    assert isinstance(quantile, float)
    assert quantile == pytest.approx(t.ppf(share, degrees), rel=1e-9)
    assert student_two_sided(quantile, degrees) == pytest.approx(2 * min(share, 1 - share), rel=1e-9)


@pytest.mark.parametrize("degrees", [1e6, 1e9, math.inf])
def test_many_degrees_of_freedom_are_the_normal_distribution(degrees):
    assert student_quantile(0.975, degrees) == pytest.approx(norm.ppf(0.975), rel=1e-12)
    assert student_two_sided(-1.96, degrees) == pytest.approx(2 * norm.sf(1.96), rel=1e-12)
