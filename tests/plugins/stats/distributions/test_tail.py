"""The excess over a threshold, and the ramp."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asdcore_plugins.stats.distributions.tail import excess, ramp


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), st.floats(-1e300, 1e300))
def test_what_is_left_never_falls_below_the_threshold(base, threshold):
    base = np.array(base)
    over = excess(base, threshold)
    assert (over >= 0).all()
    assert (over[base <= threshold] == 0).all()
    left = base - over
    assert (left[base > threshold] >= threshold).all()
    assert np.array_equal(left[base <= threshold], base[base <= threshold])


def test_excess_is_the_difference():
    assert excess(np.array([1.0, 2.0, 5.5]), 2.0).tolist() == [0.0, 0.0, 3.5]


def test_a_ramp_rises_or_falls_and_is_held_at_its_ends():
    values = np.array([-1.0, 0.0, 0.5, 2.0, 9.0])
    assert ramp(values, 0.0, 2.0).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]
    assert ramp(values, 2.0, 0.0).tolist() == [1.0, 1.0, 0.75, 0.0, 0.0]
