"""Quantiles and angles written as ONNX are those of SciPy and NumPy, over their whole range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri, ndtri_exp

QUICK = settings(max_examples=8, deadline=None)
EDGES = np.array([0.075, 0.925, 0.5, np.exp(-25.0), np.exp(-(26.0**2))])
"""Where one form gives way to the next."""


def test_the_normal_quantile_is_that_of_scipy(as_onnx):
    tails = np.logspace(-307, np.log10(0.5), 3000)
    beside = np.concatenate([EDGES, np.nextafter(EDGES, 0.0), np.nextafter(EDGES, 1.0)])
    p = np.concatenate([[0.0], tails, 1.0 - tails, beside, [1.0]])
    assert as_onnx(ndtri, p) == pytest.approx(ndtri(p), rel=4e-15, abs=1e-15)


def test_no_number_has_the_quantile_of_what_is_no_probability(as_onnx):
    assert np.isnan(as_onnx(ndtri, [-0.1, 1.1, np.nan])).all()


def test_the_quantile_of_a_logarithm_goes_on_where_p_is_below_every_number(as_onnx):
    edges = [1e-12, 0.01, 0.0100001, np.log(2.0), -np.log(0.075), 676.0]
    log_p = -np.concatenate([np.logspace(-300, 200, 3000), edges])
    assert as_onnx(ndtri_exp, log_p) == pytest.approx(ndtri_exp(log_p), rel=1e-12, abs=1e-15)


@QUICK
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=9))
def test_the_normal_quantile_never_falls(as_onnx, p):
    p = np.sort(np.array(p))
    with np.errstate(invalid="ignore"):
        assert not (np.diff(as_onnx(ndtri, p)) < -1e-15).any()


ANGLES = st.floats(-1e200, 1e200, allow_subnormal=False).map(lambda value: value + 0.0)
"""Coordinates of a point. Adding 0 takes the sign of -0.0, which NumPy gives an angle of pi and ONNX does not see."""


@QUICK
@given(ANGLES, ANGLES)
def test_angles_are_those_of_numpy(as_onnx, y, x):
    points = np.array([[y, x], [x, y], [1.0, x], [y, -1.0], [1e-300, 1.0], [1.0, 1e-9], [0.0, 0.0]])
    written = as_onnx(np.arctan2, *points.T)
    assert written == pytest.approx(np.arctan2(*points.T), rel=1e-14)


def test_tangents_are_those_of_numpy(as_onnx):
    x = np.concatenate([np.logspace(-300, np.log10(1.57), 500), -np.linspace(0.0, 1.57, 50)])
    assert as_onnx(np.tan, x) == pytest.approx(np.tan(x), rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_values_are_stacked_and_sorted(as_onnx, count):
    values = np.random.default_rng(count).normal(size=(count, 3))
    ordered = as_onnx(lambda *given: np.take(np.sort(np.stack(given), 0), count // 2, 0), *values)
    assert np.array_equal(ordered, np.sort(values, axis=0)[count // 2])
