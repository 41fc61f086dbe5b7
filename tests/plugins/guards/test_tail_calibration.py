"""The tail calibration: compresses the tail, reorders nothing, leaves the rest to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError

QUANTILES = st.sampled_from([0.5, 0.8, 0.95, 0.99])
VALUES = st.one_of(st.floats(-1e3, 1e3), st.integers(-5, 5).map(float))
# Between neighbouring floats there is no room for a tail, and the guard refuses it.
NORMALS = st.lists(VALUES, min_size=3, max_size=40).filter(lambda values: np.diff(sorted(values))[-1] > 1e-9)
CLIPS = st.lists(st.one_of(VALUES, st.floats(-1e12, 1e12)), min_size=1, max_size=40)


def fitted(normals, quantile=0.95):
    base = np.array(normals, dtype=np.float64)
    guard = asdcore.load_guard("tail_calibration", quantile=quantile).fit(base, {}, np.full(len(base), "source"))
    return guard, float(np.quantile(base, quantile))


def penalty(guard, base):
    return guard.penalty(np.asarray(base, np.float64), {})


def test_by_hand():
    # Of 1 ... 9 the median is 5; the mean excess of 6 ... 9 over it is 2.5.
    guard, threshold = fitted(range(1, 10), quantile=0.5)
    assert threshold == 5.0
    expected = [0.0, 0.0, 2.5 - 2.5 * math.log(2.0), 25.0 - 2.5 * math.log(11.0)]
    assert np.allclose(penalty(guard, [-3.0, 5.0, 7.5, 30.0]), expected, rtol=1e-14)


@settings(max_examples=200, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_nothing_falls_below_the_tail_and_no_rank_changes(normals, clips, quantile, strength):
    guard, threshold = fitted(normals, quantile)
    base = np.sort([*clips, *normals, threshold])
    found = guard.penalty(base, {})
    score = base - strength * found
    tail = base > threshold
    assert (found >= 0).all()
    assert (found[~tail] == 0).all()
    assert score[~tail].tobytes() == base[~tail].tobytes()
    assert (score[tail] >= threshold).all()
    # The difference base - R is exact to the last place of base.
    assert (np.diff(score) >= -4 * np.spacing(np.abs(base[1:]))).all()


@settings(max_examples=100, deadline=None)
@given(st.floats(-100, 100), st.floats(0, 1e-3), QUANTILES)
def test_continuous_and_growing_more_slowly_than_the_base(base, step, quantile):
    guard, _ = fitted(range(1, 21), quantile)
    here, there = penalty(guard, [base, base + step])
    assert -1e-12 <= there - here <= step + 1e-12


def test_the_tail_is_still_told_apart():
    guard, _ = fitted(np.random.default_rng(0).standard_normal(990))
    far = np.geomspace(3.0, 1e6, 200)
    assert (np.diff(far - penalty(guard, far)) > 0).all()
    assert (far - penalty(guard, far)).max() < 10.0


@settings(max_examples=50, deadline=None)
@given(NORMALS, CLIPS, st.data())
def test_same_bits_in_any_company(normals, clips, data):
    guard, _ = fitted(normals, 0.8)
    index = data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=30))
    whole = penalty(guard, clips)
    assert penalty(guard, np.array(clips)[index]).tobytes() == whole[index].tobytes()


def test_a_tail_of_equal_scores_has_no_scale():
    with pytest.raises(DataError, match=r"none of the 4 train-normal scores lies above .* Choose a lower quantile"):
        fitted([1.0, 2.0, 2.0, 2.0])


def test_before_fit_and_after_a_fit_that_failed():
    guard = asdcore.load_guard("tail_calibration")
    with pytest.raises(DataError, match=r"call fit\(base, z, domain\) first"):
        penalty(guard, [1.0])
    guard.fit(np.arange(9.0), {}, np.full(9, "source"))
    with pytest.raises(DataError, match="lies above"):
        guard.fit(np.ones(9), {}, np.full(9, "source"))
    with pytest.raises(DataError, match="call fit"):
        penalty(guard, [1.0])


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan"), "much"])
def test_the_quantile_lies_between_0_and_1(value):
    with pytest.raises(asdcore.PluginError, match=f"quantile must be between 0 and 1, got {value}"):
        asdcore.load_guard("tail_calibration", quantile=value)


def test_a_tail_without_width_takes_back_all_that_lies_above_it():
    guard = asdcore.load_guard("tail_calibration").fit(np.array([0.0, 0.0, 2.2e-308]), {}, np.array(["source"] * 3))
    assert np.allclose(penalty(guard, [2.0]), 2.0)
