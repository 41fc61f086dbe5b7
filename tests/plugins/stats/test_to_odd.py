"""Rounding to odd: no later rounding notices it, and bounds within a cell suffice."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asdcore.basics.rounding import Grid, rounded_column
from asdcore_plugins.stats.to_odd import BITS, known_to_odd, to_odd

numbers = st.floats(-1e300, 1e300).filter(lambda value: value == 0 or abs(value) > 1e-290)


def near_borders(value: float, ulps: int) -> float:
    """Return a number some last bits from the nearest border of the grids that tables use."""
    border = float(Grid().rounded([value])[0])
    return border + ulps * math.ulp(border) + 0.5 * math.ldexp(1.0, math.frexp(border)[1] - 24)


@given(numbers, st.integers(-3, 3), st.integers(0, BITS - 25))
def test_a_table_rounds_the_middle_of_a_cell_as_the_score_itself(value, ulps, finer):
    for score in (value, near_borders(value, ulps)):
        grid = Grid(math.frexp(score)[1] - 24 - finer)
        assert grid.rounded(to_odd([score])).tobytes() == grid.rounded([score]).tobytes()


@given(st.lists(st.floats(0.5, 100.0), min_size=8, max_size=40), st.integers(0, 2**32))
def test_columns_of_scores_are_the_same_after_their_table(scores, seed):
    values = np.array(scores) + np.random.default_rng(seed).normal(size=len(scores))
    normal = np.arange(len(values)) < 6
    values[:2] = 1.0, 40.0
    rounded = np.where(normal, values, to_odd(values))
    assert rounded_column(rounded, normal).tobytes() == rounded_column(values, normal).tobytes()


@given(numbers, numbers)
def test_keeps_the_order_and_what_is_rounded_already(a, b):
    lower, upper = to_odd(sorted((a, b)))
    assert lower <= upper
    assert to_odd([lower, upper]).tolist() == [lower, upper]
    assert abs(to_odd(a) - a) <= 2.0**-BITS * abs(a)


@given(numbers, st.floats(0.0, 1e-9), st.floats(-1.0, 1.0))
def test_what_is_known_holds_for_every_number_within_the_bounds(value, part, place):
    error = part * abs(value)
    known = known_to_odd(value, error)
    assert known is None or known == to_odd(value + place * error)


def test_what_is_not_finite_stays():
    assert to_odd([np.inf, -np.inf]).tolist() == [np.inf, -np.inf]
    assert np.isnan(to_odd([np.nan])).all()
    assert known_to_odd(np.nan, 0.0) is None
    assert known_to_odd(1.0, np.inf) is None
