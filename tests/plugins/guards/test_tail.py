"""The tail guard: what it may touch, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError, SmoothEcdf

QUANTILES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
VALUES = st.one_of(st.floats(-1e3, 1e3), st.floats(-1e15, 1e15), st.integers(-5, 5).map(float))
NORMALS = st.lists(st.tuples(VALUES, st.integers(-40, 40)), min_size=3, max_size=40).filter(
    lambda rows: len({support for _, support in rows}) > 1
)
CLIPS = st.lists(st.tuples(VALUES, st.floats(-100, 100)), min_size=1, max_size=40)


def columns(rows):
    base, support = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return base, {"aux": support / 4}


def fitted(normals, quantile=0.95, support_quantile=0.8):
    base, z = columns(normals)
    guard = asdcore.load_guard("tail", support="aux", quantile=quantile, support_quantile=support_quantile)
    return guard.fit(base, z, np.full(len(base), "source")), float(np.quantile(base, quantile)), SmoothEcdf(z["aux"])


def penalty(guard, base, support):
    return guard.penalty(np.asarray(base, float), {"aux": np.asarray(support, float)})


TWENTY = [(float(i), i) for i in range(1, 21)]
"""Base 1 ... 20 and support 1/4 ... 20/4: at the quantile 0.5 the tail begins at 10.5."""


def test_by_hand():
    guard, threshold, _ = fitted(TWENTY, quantile=0.5)
    assert threshold == 10.5
    # F of the i-th of 20 is i / 21; unsupported is (0.8 - F) / 0.8.
    found = penalty(guard, [14.5, 14.5, 10.5, 14.5], [2 / 4, 16 / 4, 2 / 4, 17 / 4])
    assert np.allclose(found, [4 * (0.8 - 2 / 21) / 0.8, 4 * (0.8 - 16 / 21) / 0.8, 0.0, 0.0], rtol=1e-13, atol=0)


@settings(max_examples=150, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.sampled_from([0.3, 0.8]))
def test_not_negative_and_exactly_zero_outside_the_unsupported_tail(normals, clips, quantile, support_quantile):
    guard, threshold, evidence = fitted(normals, quantile, support_quantile)
    base, z = columns([*clips, *normals, (threshold, -1000.0)])
    found = guard.penalty(base, z)
    agrees = evidence.cdf(z["aux"]) >= support_quantile
    assert found.dtype == np.float64
    assert (found >= 0).all()
    assert (found[base <= threshold] == 0).all()
    assert (found[agrees] == 0).all()
    # Nearer to the threshold the product may fall under the smallest number there is.
    assert (found[(base - threshold > 1e-290) & ~agrees] > 0).all()


@settings(max_examples=100, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.floats(0, 1e3), st.floats(0, 50))
def test_grows_with_base_and_shrinks_with_support(normals, clips, quantile, more_base, more_support):
    guard, _, _ = fitted(normals, quantile)
    base, z = columns(clips)
    found = guard.penalty(base, z)
    assert (penalty(guard, base + more_base, z["aux"]) >= found).all()
    assert (penalty(guard, base, z["aux"] + more_support) <= found).all()


@settings(max_examples=100, deadline=None)
@given(st.floats(-100, 100), st.floats(-20, 20), st.floats(0, 1e-3), st.floats(0, 1e-3), QUANTILES)
def test_continuous(base, support, step_base, step_support, quantile):
    # R = excess * unsupported changes by at most 1 a unit of base, and by excess / q_a * max F' a unit of support: F
    # climbs 1/21 within 1/4, and in its tails 1/21 within the scale of (20 - 10.5) / 4.
    guard, threshold, _ = fitted(TWENTY, quantile)
    here, there = penalty(guard, [base, base + step_base], [support, support + step_support])
    bound = step_base + max(base + step_base - threshold, 0) / 0.8 * (4 / 21) * step_support
    assert abs(there - here) <= bound + 1e-12


@settings(max_examples=200, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.sampled_from([0.25, 0.5, 1.0]))
def test_no_clip_falls_below_the_tail_and_the_ranking_below_it_stays(normals, clips, quantile, strength):
    guard, threshold, _ = fitted(normals, quantile)
    base, z = columns([*clips, *normals])
    score = base - strength * guard.penalty(base, z)
    tail = base > threshold
    assert (score[tail] >= threshold).all()
    assert score[~tail].tobytes() == base[~tail].tobytes()
    assert (score <= base).all()


def test_full_strength_stops_at_the_threshold_where_rounding_would_not():
    # 1e16 - (1e16 - 0.1) is 0 in float64.
    guard, threshold, _ = fitted([(0.0, 1), (0.1, 2), (0.2, 3)], quantile=0.5)
    found = penalty(guard, [1e16], [-1e30])
    assert threshold == 0.1
    assert found[0] > 0.9e16
    assert 1e16 - found[0] >= threshold


@settings(max_examples=50, deadline=None)
@given(NORMALS, CLIPS)
def test_strength_zero_leaves_the_bits(normals, clips):
    guard, _, _ = fitted(normals, 0.5)
    base, z = columns(clips)
    assert (base - 0.0 * guard.penalty(base, z)).tobytes() == base.tobytes()


@settings(max_examples=50, deadline=None)
@given(NORMALS, CLIPS, st.data())
def test_same_bits_in_any_company(normals, clips, data):
    guard, _, _ = fitted(normals, 0.8)
    base, z = columns(clips)
    index = data.draw(st.lists(st.integers(0, len(base) - 1), min_size=1, max_size=30))
    whole = guard.penalty(base, z)
    assert penalty(guard, base[index], z["aux"][index]).tobytes() == whole[index].tobytes()


def test_a_branch_that_says_nothing_cannot_support():
    with pytest.raises(DataError, match="at least 2 different train-normal scores, found 1"):
        fitted([(1.0, 3), (2.0, 3), (5.0, 3)])


def test_an_unknown_branch_is_a_key_error():
    base, z = columns(TWENTY)
    with pytest.raises(KeyError, match="eat"):
        asdcore.load_guard("tail", support="eat").fit(base, z, np.full(20, "source"))


def test_before_fit():
    with pytest.raises(DataError, match=r"call fit\(base, z, domain\) first"):
        penalty(asdcore.load_guard("tail", support="aux"), [1.0], [1.0])


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["quantile", "support_quantile"])
def test_quantiles_lie_between_0_and_1(name, value):
    with pytest.raises(asdcore.PluginError, match=f"{name} must be between 0 and 1, got {value}"):
        asdcore.load_guard("tail", support="aux", **{name: value})
