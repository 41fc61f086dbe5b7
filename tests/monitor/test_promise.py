"""A budget of false alarms becomes the rate of windows that keeps it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.errors import DataError
from asdcore.monitor.promise import UNITS, budget_of, expected, in_words


@pytest.mark.parametrize(
    ("text", "alarms", "unit"),
    [
        ("1 per week", 1, "week"),
        ("0.5 per day", Fraction(1, 2), "day"),
        ("2/hour", 2, "hour"),
        ("3 per Months", 3, "month"),
    ],
)
def test_a_budget_is_a_number_and_a_unit(text, alarms, unit):
    assert budget_of(text) == (alarms, unit)


@pytest.mark.parametrize("text", ["", "often", "1 per fortnight", "-1 per day", "0 per day", "1e3 per day", "per day"])
def test_anything_else_is_answered_with_an_example(text):
    with pytest.raises(DataError, match="such as '1 per week'"):
        budget_of(text)


def test_the_rate_counts_windows_and_alarms():
    # A window every 10 s is 60480 a week; three of them make an alarm.
    assert budget_of("1 per week").rate(10, 3) == Fraction(3, 60480)


@given(st.sampled_from(list(UNITS)), st.integers(1, 50), st.floats(0.5, 60), st.integers(1, 9))
def test_what_is_expected_of_a_rate_is_the_budget_that_gave_it(unit, count, hop, k):
    rate = budget_of(f"{count} per {unit}").rate(hop, k)
    assert expected(float(rate), hop, k, unit) == pytest.approx(count)


def test_words_take_the_unit_that_reads_best():
    assert in_words(0.0499, 12, 3) == "5.0 per hour"
    assert in_words(1e-4, 10, 3) == "2.1 per week"


@given(st.floats(1e-7, 0.5), st.floats(0.5, 60), st.integers(1, 9))
def test_what_is_said_to_be_possible_is_possible(rate, hop, k):
    assert budget_of(in_words(rate, hop, k)).rate(hop, k) >= Fraction(rate)
