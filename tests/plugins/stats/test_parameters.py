"""Parameters are checked when a component is built, by messages that name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore_plugins.stats.parameters import (
    between,
    choice,
    fraction,
    reference_names,
    share_of,
    whole,
    whole_or_none,
)


def test_what_is_allowed_comes_back():
    assert whole("k", 1) == 1
    assert whole("seed", 0, least=0) == 0
    assert between("width", 1, 0, 2) == 1.0
    assert between("share", 0.5, 0, 1) == 0.5
    assert fraction("share", 0) == 0.0
    assert fraction("share", 1) == 1.0


@given(n=st.integers(0, 100_000), thousandths=st.integers(0, 1000))
def test_a_share_is_the_decimal_that_was_written(n, thousandths):
    assert share_of(thousandths / 1000, n) == -(-n * thousandths // 1000)


def test_a_share_is_not_rounded_up_by_floating_point():
    assert share_of(0.54, 450) == 243  # 0.54 * 450 is 243.00000000000003
    assert share_of(0.07, 100) == 7


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None, 2**32])
def test_what_is_no_whole_number_in_range_is_refused(value):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 4294967295, got "):
        whole("k", value)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.1, float("nan"), float("inf"), True, "0.5", None])
def test_what_is_no_number_inside_is_refused(value):
    with pytest.raises(ValueError, match="share must be a number above 0 and below 1, got "):
        between("share", value, 0, 1)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_what_is_no_share_is_refused(value):
    with pytest.raises(ValueError, match="share must be a number from 0 to 1, got "):
        fraction("share", value)


def test_an_end_of_a_range_is_allowed_only_if_it_is_included():
    assert between("share", 0, 0, 1, low_included=True) == 0.0
    assert between("share", 1, 0, 1, high_included=True) == 1.0
    with pytest.raises(ValueError, match="share must be a number of at least 0 and below 1, got 1"):
        between("share", 1, 0, 1, low_included=True)
    with pytest.raises(ValueError, match="share must be a number above 0 and at most 1, got 0"):
        between("share", 0, 0, 1, high_included=True)


def test_a_number_that_may_be_missing_is_checked_if_it_is_there():
    assert whole_or_none("seed", None) is None
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        whole_or_none("seed", -1, least=0)


def test_a_name_is_one_of_those_allowed():
    assert choice("pool", "max", ["mean", "max"]) == "max"
    with pytest.raises(ValueError, match="pool must be one of mean, max, got 'min'"):
        choice("pool", "min", ["mean", "max"])


@pytest.mark.parametrize("names", [[], ["near"], "pooled"])
def test_references_are_some_of_the_three(names):
    assert reference_names(["target", "pooled"]) == ("target", "pooled")
    with pytest.raises(ValueError, match="references must be some of pooled, source, target, got "):
        reference_names(names)
