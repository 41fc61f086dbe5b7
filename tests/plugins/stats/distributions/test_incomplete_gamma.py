"""The incomplete gamma functions as sums are those of SciPy, for every shape and on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammainc, gammaincc

from asdcore_plugins.stats.distributions.incomplete_gamma import log_upper_share, lower_share


@settings(max_examples=200, deadline=None)
@given(st.floats(-2, 5), st.floats(-7, 7))
def test_they_are_those_of_scipy(log_shape, place):
    shape = 10.0**log_shape
    x = max(0.0, shape + place * np.sqrt(shape))
    below, above = lower_share(shape, np.array([x])), log_upper_share(shape, np.array([x]))
    assert below == pytest.approx(gammainc(shape, x), rel=1e-9, abs=1e-11)
    assert above == pytest.approx(np.log(gammaincc(shape, x)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shape", [1e-3, 0.5, 1.0, 30.0, 1e6])
def test_at_zero_and_far_out_they_are_finite(shape):
    zero, far = np.zeros(1), np.array([shape + 1e9])
    assert (lower_share(shape, zero).item(), log_upper_share(shape, zero).item()) == (0.0, 0.0)
    assert lower_share(shape, far).item() == 1.0
    # Of the integral little but x^(a - 1) e^-x is left there.
    assert log_upper_share(shape, far).item() < -9e8
