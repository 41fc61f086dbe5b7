"""Transforms phi: monotone for any train normals, closed forms by hand, and the smooth CDF at its knots."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from asdcore import DataError, PortfolioError, SmoothEcdf
from asdcore.fusion.transforms import TRANSFORMS, check_transform, fit_transform

CASES = [
    ("asinh", {}),
    ("asinh", {"scale": 0.1}),
    ("clip", {}),
    ("clip", {"low": -0.5, "high": 0.5}),
    ("clip", {"low": -math.inf, "high": 2}),
    ("ecdf", {}),
    ("ecdf_smooth", {}),
    ("identity", {}),
    ("log1p", {}),
    ("neglogp", {}),
    ("normal_score", {}),
    ("power", {}),
    ("power", {"gamma": 2.0}),
    ("relu", {}),
    ("sigmoid", {}),
    ("sigmoid", {"centre": -1.0, "width": 5.0}),
    ("softplus", {}),
    ("softplus", {"beta": 3.0}),
]
# What is computed by exp, log or a power may be off by a rounding; comparisons and interpolation may not.
EXACT = {"clip", "ecdf", "ecdf_smooth", "identity", "relu"}
STRICT = {"asinh", "ecdf_smooth", "identity", "log1p", "neglogp", "normal_score", "power", "softplus"}
NORMALS = st.lists(st.integers(-400, 400), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1)
ANY_NORMALS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(
    lambda values: np.ptp(values) > 1e-6 and len(set(values)) > 1
)


def apply(name, z, normals=(0.0, 1.0, 2.0), **parameters):
    return fit_transform(name, parameters, np.asarray(normals, np.float64))(np.asarray(z, np.float64))


def test_every_transform_is_tested():
    assert {name for name, _ in CASES} == set(TRANSFORMS)


@pytest.mark.parametrize(("name", "parameters"), CASES)
@settings(max_examples=60, deadline=None)
@given(normals=ANY_NORMALS, z=st.lists(st.floats(-1e15, 1e15) | st.floats(-5, 5), min_size=1, max_size=40))
def test_non_decreasing_and_finite(name, parameters, normals, z):
    z = np.sort(np.concatenate([z, normals, np.nextafter(normals, np.inf), np.nextafter(normals, -np.inf)]))
    before = z.copy()
    phi = apply(name, z, normals, **parameters)
    assert np.isfinite(phi).all()
    allowed = 0.0 if name in EXACT else 4 * np.spacing(np.abs(phi[1:]))
    assert (np.diff(phi) >= -allowed).all()
    assert np.array_equal(z, before)
    assert not np.shares_memory(phi, z)


@pytest.mark.parametrize(("name", "parameters"), [case for case in CASES if case[0] in STRICT])
@settings(max_examples=60, deadline=None)
@given(normals=NORMALS, z=st.lists(st.integers(-1_000, 100_000), min_size=2, max_size=40, unique=True))
def test_strictly_increasing(name, parameters, normals, z):
    # softplus underflows below -700 / beta; the others go on to both sides.
    both = np.unique(z if name == "softplus" else np.concatenate([z, -1000 - np.array(z)])) / 100
    assert (np.diff(apply(name, both, np.array(normals) / 4, **parameters)) > 0).all()


@pytest.mark.parametrize(("name", "parameters"), CASES)
@settings(max_examples=25, deadline=None)
@given(normals=NORMALS, z=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), data=st.data())
def test_same_bits_in_any_company(name, parameters, normals, z, data):
    phi = fit_transform(name, parameters, np.array(normals, np.float64))
    index = data.draw(st.lists(st.integers(0, len(z) - 1), min_size=1, max_size=20))
    assert phi(np.array(z)[index]).tobytes() == phi(np.array(z))[index].tobytes()


@pytest.mark.parametrize(
    ("name", "parameters", "z", "expected"),
    [
        ("identity", {}, [-2.5, 0.0, 7.0], [-2.5, 0.0, 7.0]),
        ("clip", {}, [-4.0, -3.0, 1.0, 8.0, 9.0], [-3.0, -3.0, 1.0, 8.0, 8.0]),
        ("clip", {"low": 0, "high": 2}, [-1.0, 1.5, 5.0], [0.0, 1.5, 2.0]),
        ("relu", {}, [-4.0, 0.0, 3.0], [0.0, 0.0, 3.0]),
        ("softplus", {}, [0.0, 2.0, 800.0], [math.log(2), math.log(1 + math.exp(2)), 800.0]),
        ("softplus", {"beta": 2}, [0.0, -1.0], [math.log(2) / 2, math.log(1 + math.exp(-2)) / 2]),
        ("log1p", {}, [-3.0, 0.0, math.e - 1], [-math.log(4), 0.0, 1.0]),
        ("asinh", {}, [-1.0, 0.0, 2.0], [-math.log(1 + math.sqrt(2)), 0.0, math.log(2 + math.sqrt(5))]),
        ("asinh", {"scale": 4}, [8.0], [math.log(2 + math.sqrt(5))]),
        ("sigmoid", {}, [2.0, 3.0, -800.0], [0.5, 1 / (1 + math.exp(-1)), 0.0]),
        ("sigmoid", {"centre": 1, "width": 0.5}, [1.0, 2.0], [0.5, 1 / (1 + math.exp(-2))]),
        ("power", {}, [-4.0, 0.0, 9.0], [-2.0, 0.0, 3.0]),
        ("power", {"gamma": 2}, [-3.0, 3.0], [-9.0, 9.0]),
        # Normals 0 1 2: knots 1/4 2/4 3/4, scale 1 beyond either end.
        ("ecdf", {}, [-1.0, 0.0, 0.5, 1.0, 2.0, 9.0], [0.0, 1 / 6, 1 / 3, 1 / 2, 5 / 6, 1.0]),
        ("ecdf_smooth", {}, [-1.0, 0.0, 0.5, 2.0, 3.0, 6.0], [1 / 8, 1 / 4, 3 / 8, 3 / 4, 7 / 8, 19 / 20]),
        ("neglogp", {}, [1.0, 2.0, 3.0], [math.log(2), math.log(4), math.log(8)]),
        ("normal_score", {}, [0.0, 1.0, 2.0, 3.0], norm.ppf([1 / 4, 1 / 2, 3 / 4, 7 / 8])),
    ],
)
def test_closed_forms_by_hand(name, parameters, z, expected):
    assert np.allclose(apply(name, z, **parameters), expected, rtol=1e-13, atol=1e-15)


def test_smooth_ecdf_at_its_knots():
    smooth = SmoothEcdf(np.array([5.0, 1.0, 3.0, 3.0, 9.0, 2.0]))
    knots = np.array([1.0, 2.0, 3.0, 5.0, 9.0])
    rank = np.array([1.0, 2.0, 3.5, 5.0, 6.0]) / 7
    assert np.allclose(smooth.cdf(knots), rank, rtol=1e-15)
    assert np.allclose(smooth.survival(knots), 1 - rank, rtol=1e-15)
    assert np.allclose(smooth.cdf(np.array([1.5, 2.5, 4.0, 7.0])), (rank[:-1] + rank[1:]) / 2, rtol=1e-14)


def test_smooth_ecdf_does_not_fall_by_a_rounding_where_its_pieces_meet():
    for low, high in itertools.product(range(1, 25), repeat=2):
        smooth = SmoothEcdf(np.repeat([0.0, 1.0], [low, high]))
        around = np.concatenate([np.nextafter([0.0, 1.0], -1), [0.0, 1.0], np.nextafter([0.0, 1.0], 2)])
        assert (np.diff(smooth.cdf(np.sort(around))) >= 0).all()
        assert (np.diff(smooth.survival(np.sort(around))) <= 0).all()


def test_smooth_ecdf_beyond_its_ends():
    # Median 3: half of the outer 1/7 is gone after |end - median|, 6 above and 2 below, nine tenths after 9 times that.
    smooth = SmoothEcdf(np.array([1.0, 2.0, 3.0, 3.0, 5.0, 9.0]))
    assert smooth.survival(np.array([15.0, 63.0])) == pytest.approx([1 / 14, 1 / 70], rel=1e-14)
    assert smooth.cdf(np.array([15.0, -1.0, -17.0])) == pytest.approx([13 / 14, 1 / 14, 1 / 70], rel=1e-14)


def test_smooth_ecdf_whose_median_is_at_one_end():
    # The distance to the median is 0 there, so the whole spread, 4, sets the scale.
    smooth = SmoothEcdf(np.array([2.0, 2.0, 2.0, 6.0]))
    assert smooth.cdf(np.array([2.0, -2.0])) == pytest.approx([2 / 5, 1 / 5])
    assert smooth.survival(np.array([6.0, 10.0])) == pytest.approx([1 / 5, 1 / 10])
    # Nor does a distance of nothing but rounding.
    nearly = SmoothEcdf(np.array([2.0, *[np.nextafter(2.0, 3.0)] * 3, 6.0]))
    assert nearly.cdf(np.array([-2.0])) == pytest.approx([1 / 6 / 2])


def test_survival_and_quantile_stay_precise_where_the_cdf_rounds_to_one():
    smooth = SmoothEcdf(np.arange(10.0))
    far = np.array([1e17, 1e18, 1e30])
    assert (smooth.cdf(far) == 1.0).all()
    assert smooth.survival(far) == pytest.approx((1 / 11) * 4.5 / far, rel=1e-12)
    assert (np.diff(smooth.normal_score(far)) > 0.1).all()
    assert (np.diff(smooth.normal_score(-far)) < -0.1).all()


@settings(max_examples=60, deadline=None)
@given(NORMALS, st.lists(st.integers(-2000, 2000), min_size=1, max_size=30))
def test_normal_score_inverts_to_the_cdf(normals, z):
    smooth, z = SmoothEcdf(np.array(normals, np.float64)), np.array(z, np.float64)
    assert np.allclose(norm.cdf(smooth.normal_score(z)), smooth.cdf(z), rtol=1e-12)
    assert np.allclose(norm.sf(smooth.normal_score(z)), smooth.survival(z), rtol=1e-12)


@pytest.mark.parametrize("name", ["ecdf_smooth", "neglogp", "normal_score"])
def test_normals_that_are_all_the_same_are_refused(name):
    with pytest.raises(DataError, match="at least 2 different train-normal scores, found 1"):
        fit_transform(name, {}, np.full(5, 0.25))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("logp", {}, r"No transform is named 'logp'\. Did you mean 'log1p'\? Known: asinh, clip"),
        ("clip", {"upper": 1}, r"'clip' takes no parameter 'upper'\. .*Known: high, low"),
        ("relu", {"low": 1}, r"'relu' takes no parameter 'low'\. Known: none"),
        ("relu", {"normals": 1}, "'relu' takes no parameter 'normals'"),
        ("clip", {"low": 8, "high": 8}, "clip needs low < high, not low=8, high=8"),
        ("clip", {"low": math.nan}, "clip needs low < high, not low=nan, high=8.0"),
        ("clip", {"low": "a"}, r"'clip' refuses its parameters \{'low': 'a'\}"),
        ("softplus", {"beta": 0}, "beta must be above 0, not 0"),
        ("asinh", {"scale": -1}, "scale must be above 0, not -1"),
        ("power", {"gamma": math.nan}, "gamma must be a finite number, not nan"),
        ("softplus", {"beta": math.inf}, "beta must be a finite number, not inf"),
        ("sigmoid", {"width": 0}, "width must be above 0, not 0"),
        ("sigmoid", {"centre": math.nan}, "centre must be a finite number, not nan"),
        ("sigmoid", {"centre": "two"}, r"'sigmoid' refuses its parameters \{'centre': 'two'\}"),
    ],
)
def test_bad_names_and_parameters(name, parameters, message):
    with pytest.raises(PortfolioError, match=message):
        check_transform(name, parameters)
    with pytest.raises(PortfolioError, match=message):
        fit_transform(name, parameters, np.array([0.0, 1.0]))


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_good_parameters_pass(name, parameters):
    check_transform(name, parameters)
