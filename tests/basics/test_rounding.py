"""Rounding: last bits go, order and offsets stay, and the grid comes back from what it rounded."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.basics.rounding import BITS, NOISE, Grid, rounded_column, settled

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.lists(FINITE, min_size=1, max_size=30)
GRIDS = st.one_of(st.builds(Grid), st.builds(Grid, st.integers(-1200, 1000)))
ULP = 2.0**-52


def spread(normals):
    """The range of the middle half of some numbers; of all, if that is 0 beside the largest up to last bits."""
    ordered = sorted(map(Fraction, normals))
    left = len(ordered) // 4
    middle, largest = ordered[-1 - left] - ordered[left], max(map(abs, ordered))
    return middle if middle > 2 * Fraction(NOISE) * largest else ordered[-1] - ordered[0]


@given(GRIDS, COLUMNS)
def test_a_value_moves_by_less_than_its_24th_bit_and_less_than_the_coarsest_step(grid, values):
    for value, rounded in zip(values, grid.rounded(values).tolist(), strict=True):
        step = Fraction(2) ** (math.frexp(value)[1] - BITS)
        if grid.coarsest is not None:
            step = min(step, Fraction(2) ** grid.coarsest)
        step = max(step, Fraction(math.ulp(value)))
        assert (Fraction(rounded) / step).denominator == 1
        overflow = abs(value) + step / 2 >= 2**1024
        assert abs(Fraction(rounded) - Fraction(value)) <= (step if overflow else step / 2)


@given(st.lists(st.floats(-(2.0**127), 2.0**127), min_size=1).map(np.array))
def test_without_a_spread_it_is_float32(values):
    rounded, single = Grid().rounded(values), values.astype(np.float32).astype(np.float64)
    normal = (np.abs(single) >= 2.0**-126) & np.isfinite(single)  # float32 has fewer bits below
    assert np.array_equal(rounded[normal], single[normal])


@given(GRIDS, COLUMNS)
def test_what_is_rounded_stays(grid, values):
    rounded = grid.rounded(values)
    assert grid.rounded(rounded).tobytes() == rounded.tobytes()


@given(GRIDS, COLUMNS)
def test_the_order_is_never_reversed(grid, values):
    assert (np.diff(grid.rounded(sorted(values))) >= 0).all()


@given(GRIDS, FINITE, st.integers(1, 4))
def test_neighbouring_numbers_keep_their_order(grid, value, ulps):
    """Where the step changes, too: at every power of two."""
    for around in (value, 2.0 ** max(-1074, math.frexp(value)[1] - 1)):
        up = around
        for _ in range(ulps):
            up = math.nextafter(up, math.inf)
        if math.isfinite(up):
            low, high = grid.rounded([around, up]).tolist()
            assert low <= high


@given(GRIDS, COLUMNS)
def test_both_signs_are_rounded_alike(grid, values):
    assert np.array_equal(grid.rounded([-value for value in values]), -grid.rounded(values))
    assert Grid.of([-value for value in values]) == Grid.of(values)


@given(GRIDS, COLUMNS)
def test_a_value_is_rounded_as_if_it_were_alone(grid, values):
    alone = np.concatenate([grid.rounded([value]) for value in values])
    assert grid.rounded(values).tobytes() == alone.tobytes()


def test_zero_has_no_sign():
    assert math.copysign(1, Grid().rounded([-0.0]).item()) == 1
    assert math.copysign(1, Grid(-3).rounded([-0.0]).item()) == 1


@given(GRIDS, FINITE.filter(bool))
def test_what_is_not_zero_never_becomes_zero(grid, value):
    """A logarithm comes next in some normalizers."""
    rounded = grid.rounded([value]).item()
    assert rounded != 0
    assert math.copysign(1, rounded) == math.copysign(1, value)


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 2.0**-1070, 1.7976931348623157e308, 0.0])
@pytest.mark.parametrize("coarsest", [None, -1200, -1074, -20, 0, 1000])
def test_large_and_small_numbers_stay_what_they_are(value, coarsest):
    assert Grid(coarsest).rounded([value]).item() == pytest.approx(value, rel=2.0**-BITS, abs=0)


def test_what_is_not_finite_stays():
    assert np.array_equal(Grid(-3).rounded([math.nan, math.inf, -math.inf]), [math.nan, math.inf, -math.inf], True)


def test_an_offset_does_not_eat_the_bits():
    assert np.float32(1e8) == np.float32(1e8 + 1)
    grid = Grid.of(1e8 + np.arange(-10.0, 11.0))
    low, high = grid.rounded([1e8, 1e8 + 1]).tolist()
    assert high - low == 1
    assert np.unique(grid.rounded(1e8 + np.arange(0, 1, 1e-5))).size == 100_000


@given(COLUMNS, FINITE, st.integers(2, 10**9))
def test_clips_keep_their_order_if_they_differ_by_more_than_a_millionth_of_the_spread(normals, value, apart):
    whole = spread(normals)
    grid = Grid.of(normals)
    other = float(min(Fraction(value) + whole * apart / 10**6, Fraction(2) ** 1023))
    if grid.coarsest is not None and Fraction(other) - Fraction(value) > whole / 10**6:
        low, high = grid.rounded([value, other]).tolist()
        assert low < high


@given(COLUMNS, st.integers(0, 2**32 - 1))
def test_the_grid_goes_by_what_normals_there_are_not_by_their_order(normals, seed):
    assert Grid.of(np.random.default_rng(seed).permutation(normals)) == Grid.of(normals)


@pytest.mark.parametrize("scale", [1e-290, 1e-9, 1.0, 3.7, 1e12, 1e290])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
def test_the_grid_is_that_of_the_rounded_normals(scale, offset):
    draws = np.random.default_rng(7)
    for n in (1, 2, 3, 10, 200):
        normals = scale * (offset + draws.standard_normal(n))
        rounded, grid = settled(normals)
        assert grid == Grid.of(normals) == Grid.of(rounded)
        assert np.array_equal(rounded, grid.rounded(normals))


@given(COLUMNS)
def test_the_rounded_normals_give_the_grid_of_all_other_clips(normals):
    """Near an edge as well: a detector that has the rounded normals rounds a new clip as the run did."""
    rounded, grid = settled(normals)
    assert Grid.of(rounded) == grid


def test_at_an_edge_the_other_clips_go_by_the_rounded_normals():
    """The spread of these normals crosses the edge when they are rounded, as it does once in ten million columns."""
    edge = 2 * 0.57279
    normals = [0.0, edge - 1e-9]
    rounded, grid = settled(normals)
    assert Grid.of(normals) != grid
    assert Grid.of(rounded) == grid


SCALES = {
    "the interquartile range": 1.0,
    "that of normal scores": 2 * 0.6744897501960817,
    "that of exponential ones": math.log(3),
    "that of uniform ones": 0.5,
    "a median deviation": 1.482602218505602,
    "a third": 1 / 3,
    "log 2": math.log(2),
    "ten": 10.0,
    "a tenth": 0.1,
    "a hundredth": 0.01,
    "a third of ten": 10 / 3,
}


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES.keys())
def test_no_usual_scale_lies_at_the_edge_between_two_grids(scale):
    """z by the interquartile range is spread over 1, up to its last bits: they must not choose the step."""
    steps = {Grid.of([0.0, 0.0, scale * (1 + share), scale * (1 + share)]) for share in (-1e-3, -ULP, 0.0, ULP, 1e-3)}
    assert len(steps) == 1


@pytest.mark.parametrize("offset", [5.0, -1e8])
def test_a_spread_of_last_bits_alone_is_none(offset):
    """All clips score alike, but for the kernel that computed them."""
    normals = offset * (1 + 1e-15 * np.arange(8))
    assert Grid.of(normals) == Grid()
    assert len(set(settled(normals)[0])) == 1


def test_zeros_that_are_none_in_their_last_bits_have_no_spread_of_their_own():
    assert Grid.of([0.0] * 8 + [1.0]) == Grid.of([-1e-17, 1e-17] * 4 + [1.0])


def test_if_half_the_normals_are_alike_the_whole_range_counts():
    assert Grid.of([1.0] * 8 + [3.0]) == Grid.of([1.0, 1.0, 3.0, 3.0])


def test_kernels_that_differ_in_last_bits_give_the_same_numbers():
    """An offset of twenty spreads and a relative difference of 5e-14, as between two kernels of OpenBLAS."""
    draws = np.random.default_rng(3)
    normals, tests = 60 + 3 * draws.standard_normal((2, 500))
    here, there = ((1 + 5e-14 * draws.uniform(-1, 1, (2, 500))) * [normals, tests] for _ in range(2))
    assert (here != there).mean() > 0.5
    rounded = [(settled(column[0])[0], settled(column[0])[1].rounded(column[1])) for column in (here, there)]
    assert np.array_equal(rounded[0], rounded[1])


def test_a_column_is_rounded_by_its_normals():
    normal = np.array([True, False, True, False, True])
    column = np.array([1e8, 1e8 + 1, 1e8 + 10, 1e8 + 1e-7, 1e8 + 20])
    rounded = rounded_column(column, normal)
    normals, grid = settled(column[normal])
    assert np.array_equal(rounded[normal], normals)
    assert np.array_equal(rounded[~normal], grid.rounded(column[~normal]))
    assert rounded[1] > rounded[3]
