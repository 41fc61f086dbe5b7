"""A number is shown with its decimals, and what is not 0 is never shown as 0."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.basics.digits import fixed, rounded
from asdcore.cli.output import terminal
from asdcore.evidence.selection.outcome import points

DECIMALS = st.integers(0, 6)


@given(st.floats(allow_nan=False), DECIMALS, st.booleans())
def test_only_nothing_is_shown_as_nothing(value, decimals, signed):
    assert (float(fixed(value, decimals, signed=signed)) == 0) is (value == 0)
    if value:
        assert math.copysign(1, float(fixed(value, decimals, signed=signed))) == math.copysign(1, value)


@given(st.floats(-1e12, 1e12), DECIMALS)
def test_what_the_decimals_can_show_has_them(value, decimals):
    if abs(value) >= 10.0**-decimals:
        assert fixed(value, decimals) == f"{value:.{decimals}f}"
        assert rounded(value, decimals) == round(value, decimals)


@given(st.floats(allow_nan=False, allow_infinity=False), DECIMALS)
def test_only_nothing_is_rounded_to_nothing(value, decimals):
    assert (rounded(value, decimals) == 0) is (value == 0)


@pytest.mark.parametrize(
    ("value", "shown"), [(6.7e-11, "6.7e-11"), (0.0, "0.00"), (-0.0, "0.00"), (-0.004, "-0.004"), (0.005, "0.01")]
)
def test_a_table_and_a_difference_show_what_they_report(value, shown):
    assert terminal.table([{"max_abs_diff": value}], ["max_abs_diff"])[1].strip() == shown
    assert points(value / 100) == shown
    assert points(value / 100, signed=True).lstrip("+") == shown


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_named(value):
    assert fixed(value) == str(value)
