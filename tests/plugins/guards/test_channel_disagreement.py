"""The channel disagreement guard: what it may touch, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError, SmoothEcdf

QUANTILES = st.sampled_from([0.5, 0.8, 0.95, 0.99])
VALUES = st.one_of(st.floats(-1e3, 1e3), st.floats(-1e15, 1e15), st.integers(-5, 5).map(float))
Z = st.integers(-40, 40)
NORMALS = st.lists(st.tuples(VALUES, Z, Z), min_size=3, max_size=40).filter(
    lambda rows: len({abs(near - far) for _, near, far in rows}) > 1
)
CLIPS = st.lists(st.tuples(VALUES, st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=40)


def columns(rows):
    base, near, far = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return base, {"near": near / 4, "far": far / 4}


def fitted(normals, quantile=0.95, ordinary=0.95):
    base, z = columns(normals)
    guard = asdcore.load_guard(
        "channel_disagreement", branches=["near", "far"], quantile=quantile, disagreement_quantile=ordinary
    )
    return guard.fit(base, z, np.full(len(base), "source")), float(np.quantile(base, quantile))


TWENTY = [(float(i), i, 0) for i in range(1, 21)]
"""Base 1 ... 20 and a disagreement of 1/4 ... 20/4: at the quantile 0.5 the tail begins at 10.5."""


def test_by_hand():
    guard, threshold = fitted(TWENTY, quantile=0.5, ordinary=0.5)
    assert threshold == 10.5
    # F of a disagreement of i / 4 is i / 21; doubt is (F - 0.5) / 0.5.
    base, z = columns([(14.5, 18, 0), (14.5, -18, 0), (14.5, 3, 21), (14.5, 9, 0), (10.5, 18, 0)])
    assert np.allclose(guard.penalty(base, z), [4 * (18 / 21 - 0.5) / 0.5] * 3 + [0.0, 0.0], rtol=1e-13, atol=0)


def test_three_branches_count_by_the_widest_pair():
    base, z = columns(TWENTY)
    z["middle"] = (z["near"] + z["far"]) / 2
    guard = asdcore.load_guard("channel_disagreement", branches=["middle", "far", "near"], quantile=0.5)
    three = guard.fit(base, z, np.full(20, "source")).penalty(base, z)
    assert np.array_equal(three, fitted(TWENTY, 0.5)[0].penalty(base, z))
    assert three.max() > 0


@example([(0.0, 0, 0), (0.0, 0, 1), (5e-324, 0, 0)], [(0.0, 0.0, 0.0)], 0.5, 0.3, 0.0)
@settings(max_examples=60, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.sampled_from([0.3, 0.95]), st.sampled_from([0.0, 0.25, 1.0]))
def test_only_the_tail_where_channels_disagree_is_touched_and_stays_in_the_tail(
    normals, clips, quantile, ordinary, strength
):
    guard, threshold = fitted(normals, quantile, ordinary)
    _, trained = columns(normals)
    evidence = SmoothEcdf(np.abs(trained["near"] - trained["far"]))
    base, z = columns([*clips, *normals, (threshold, -1000.0, 1000.0)])
    found = guard.penalty(base, z)
    agree = evidence.cdf(np.abs(z["near"] - z["far"])) <= ordinary
    tail = base > threshold
    assert (found >= 0).all()
    assert (found[~tail | agree] == 0).all()
    # Nearer to the threshold the product may fall under the smallest number there is.
    assert (found[(base - threshold > 1e-290) & ~agree] > 0).all()
    score = base - strength * found
    assert score[~tail].tobytes() == base[~tail].tobytes()
    assert (score[tail] >= threshold).all()


@settings(max_examples=100, deadline=None)
@given(NORMALS, CLIPS, QUANTILES, st.floats(0, 50))
def test_grows_with_base_and_with_disagreement(normals, clips, quantile, more):
    guard, _ = fitted(normals, quantile, 0.5)
    base, z = columns(clips)
    found = guard.penalty(base, z)
    assert (guard.penalty(base + more, z) >= found).all()
    higher = {
        name: np.where(values == np.maximum(z["near"], z["far"]), values + more, values) for name, values in z.items()
    }
    apart = np.maximum(higher["near"], higher["far"]) - np.minimum(higher["near"], higher["far"])
    wider = apart >= np.abs(z["near"] - z["far"])
    assert (guard.penalty(base, higher)[wider] >= found[wider]).all()


@settings(max_examples=100, deadline=None)
@given(st.floats(-100, 100), st.floats(0, 20), st.floats(0, 1e-3), st.floats(0, 1e-3), QUANTILES)
def test_continuous(base, apart, step_base, step_apart, quantile):
    # Doubt rises by 1 / (1 - 0.95) = 20 a unit of F, and F by at most 1/21 within 1/4.
    guard, threshold = fitted(TWENTY, quantile)
    both, z = columns([(base, apart * 4, 0), (base + step_base, (apart + step_apart) * 4, 0)])
    here, there = guard.penalty(both, z)
    bound = step_base + max(base + step_base - threshold, 0) * 20 * (4 / 21) * step_apart
    assert abs(there - here) <= bound + 1e-10


@settings(max_examples=50, deadline=None)
@given(NORMALS, CLIPS, st.data())
def test_same_bits_in_any_company(normals, clips, data):
    guard, _ = fitted(normals, 0.8, 0.5)
    base, z = columns(clips)
    index = data.draw(st.lists(st.integers(0, len(base) - 1), min_size=1, max_size=30))
    some = guard.penalty(base[index], {name: values[index] for name, values in z.items()})
    assert some.tobytes() == guard.penalty(base, z)[index].tobytes()


def test_branches_that_never_disagree_say_nothing():
    with pytest.raises(DataError, match="at least 2 different train-normal scores, found 1"):
        fitted([(1.0, 3, 3), (2.0, 5, 5), (5.0, 7, 7)])


def test_before_fit():
    base, z = columns(TWENTY)
    with pytest.raises(DataError, match=r"call fit\(base, z, domain\) first"):
        asdcore.load_guard("channel_disagreement", branches=["near", "far"]).penalty(base, z)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"branches": ["near"]}, "branches must name at least two branches, got"),
        ({"branches": ["near", "near"]}, "at least two branches"),
        ({"branches": "near"}, "branches must be a list of names, got 'near'"),
        ({"branches": ["near", 3]}, "each of branches must be the name of a branch, got 3"),
        ({"branches": ["near", "far"], "quantile": 1.0}, "quantile must be between 0 and 1, got 1.0"),
        ({"branches": ["near", "far"], "disagreement_quantile": 0}, "disagreement_quantile must be between 0 and 1"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_guard("channel_disagreement", **parameters)
