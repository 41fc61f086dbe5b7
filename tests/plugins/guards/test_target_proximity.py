"""The target proximity guard: the tail guard, for clips near the target bank alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError, SmoothEcdf

QUANTILES = st.sampled_from([0.5, 0.8, 0.95, 0.99])
VALUES = st.one_of(st.floats(-1e3, 1e3), st.floats(-1e15, 1e15), st.integers(-5, 5).map(float))
BASES = st.lists(VALUES, min_size=20, max_size=20)
CLIPS = st.lists(st.tuples(VALUES, st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=40)
DOMAIN = np.array(["source"] * 9 + ["target"] * 11)
SUPPORT = np.arange(1.0, 21.0)
NEAR = np.concatenate([np.full(9, 77.0), np.arange(11.0)])
"""Of the target train normals: 0 ... 10, so the median is 5 and the quantile 0.9 is 9."""


def fitted(base=SUPPORT, quantile=0.5, **parameters):
    z = {"aux": SUPPORT, "near": NEAR}
    guard = asdcore.load_guard("target_proximity", support="aux", proximity="near", quantile=quantile, **parameters)
    base = np.asarray(base, np.float64)
    return guard.fit(base, z, DOMAIN), float(np.quantile(base, quantile))


def penalty(guard, rows):
    base, aux, near = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return guard.penalty(base, {"aux": aux, "near": near})


def test_by_hand():
    guard, threshold = fitted()
    assert threshold == 10.5
    # F of the i-th of 20 is i / 21; near is 1 up to 5, 0 from 9 on, 1/4 at 8.
    unsupported = (0.8 - 2 / 21) / 0.8
    rows = [(14.5, 2, 3), (14.5, 2, 8), (14.5, 2, 9), (14.5, 2, 99), (10.5, 2, 3), (14.5, 17, 3)]
    expected = [4 * unsupported, 4 * unsupported / 4, 0.0, 0.0, 0.0, 0.0]
    assert np.allclose(penalty(guard, rows), expected, rtol=1e-13, atol=0)


def test_on_the_target_bank_it_is_the_tail_guard():
    tail = asdcore.load_guard("tail", support="aux", quantile=0.5).fit(SUPPORT, {"aux": SUPPORT}, DOMAIN)
    base, aux = np.linspace(0, 40, 50), np.linspace(30, 0, 50)
    found = fitted()[0].penalty(base, {"aux": aux, "near": np.full(50, -3.0)})
    assert np.array_equal(found, tail.penalty(base, {"aux": aux}))


@settings(max_examples=150, deadline=None)
@given(BASES, CLIPS, QUANTILES, st.sampled_from([0.0, 0.25, 1.0]))
def test_only_unsupported_clips_of_the_tail_near_the_target_are_touched_and_stay_in_it(
    bases, clips, quantile, strength
):
    guard, threshold = fitted(bases, quantile)
    base, aux, near = (np.array(column) for column in zip(*clips, (threshold, -1e3, -1e3), strict=True))
    found = guard.penalty(base, {"aux": aux, "near": near})
    touched = (base > threshold) & (SmoothEcdf(SUPPORT).cdf(aux) < 0.8) & (near < 9)
    assert (found[~touched] == 0).all()
    assert (found >= 0).all()
    # Just below 9, or just above the threshold, the product may fall under the smallest number there is.
    assert (found[touched & (near < 8.9) & (base - threshold > 1e-290)] > 0).all()
    score = base - strength * found
    tail = base > threshold
    assert score[~tail].tobytes() == base[~tail].tobytes()
    assert (score[tail] >= threshold).all()


@settings(max_examples=100, deadline=None)
@given(CLIPS, st.floats(0, 1e3), st.floats(0, 50))
def test_grows_with_base_and_shrinks_with_support_and_distance(clips, more_base, more):
    guard, _ = fitted()
    found = penalty(guard, clips)
    assert (penalty(guard, [(base + more_base, aux, near) for base, aux, near in clips]) >= found).all()
    assert (penalty(guard, [(base, aux + more, near) for base, aux, near in clips]) <= found).all()
    assert (penalty(guard, [(base, aux, near + more) for base, aux, near in clips]) <= found).all()


@settings(max_examples=100, deadline=None)
@given(st.floats(-100, 100), st.floats(-20, 40), st.floats(-20, 20), *3 * [st.floats(0, 1e-3)])
def test_continuous(base, aux, near, step_base, step_aux, step_near):
    # A unit of support moves F by 1/21 at most, and unsupported by 1/0.8 of that; a unit of distance moves near by 1/4.
    guard, threshold = fitted()
    here, there = penalty(guard, [(base, aux, near), (base + step_base, aux + step_aux, near + step_near)])
    over = max(base + step_base - threshold, 0)
    assert abs(there - here) <= step_base + over * (step_aux / 21 / 0.8 + step_near / 4) + 1e-11


@settings(max_examples=50, deadline=None)
@given(CLIPS, st.data())
def test_same_bits_in_any_company(clips, data):
    guard, _ = fitted()
    index = data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=30))
    assert penalty(guard, [clips[i] for i in index]).tobytes() == penalty(guard, clips)[index].tobytes()


def test_no_target_clips():
    guard = asdcore.load_guard("target_proximity", support="aux", proximity="near")
    with pytest.raises(DataError, match=r"needs target train normals, and there are none\. Take the guard out"):
        guard.fit(SUPPORT, {"aux": SUPPORT, "near": NEAR}, np.full(20, "source"))


def test_target_clips_that_are_all_alike_or_one_alone():
    guard = asdcore.load_guard("target_proximity", support="aux", proximity="near")
    for domain, near in ((DOMAIN, np.ones(20)), (np.array(["source"] * 19 + ["target"]), NEAR)):
        with pytest.raises(DataError, match=r"are the same for the \d+ target train normals"):
            guard.fit(SUPPORT, {"aux": SUPPORT, "near": near}, domain)


def test_before_fit():
    with pytest.raises(DataError, match=r"call fit\(base, z, domain\) first"):
        penalty(asdcore.load_guard("target_proximity", support="aux", proximity="near"), [(1.0, 1.0, 1.0)])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"support": ""}, "support must be the name of a branch, got ''"),
        ({"proximity": 3}, "proximity must be the name of a branch, got 3"),
        ({"proximity_quantile": 0.5}, "proximity_quantile must lie above the median, 0.5, got 0.5"),
        ({"support_quantile": 1.5}, "support_quantile must be between 0 and 1, got 1.5"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_guard("target_proximity", **{"support": "aux", "proximity": "near", **parameters})
