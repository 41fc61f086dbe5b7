"""Rounding to 16 bits: what it keeps, and that it hides what two processors differ in."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore.data.features.exact_features import BITS, FINEST, to_16_bits


def features(n=20_000, seed=0):
    """Values of both signs over seven orders of magnitude, the largest 1."""
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-7, 0, n)
    values[0] = 1.0
    return values


def test_sixteen_significant_bits_are_kept_and_no_more():
    values = features()
    large = np.abs(values) > 2.0 ** (BITS - FINEST + 1)
    rounded = to_16_bits(values)[large].astype(np.float64)
    assert (np.abs(rounded / values[large] - 1.0) <= 2.0**-BITS).all()
    fractions, _ = np.frexp(rounded)
    assert np.array_equal(fractions * 2**BITS, np.rint(fractions * 2**BITS))


def test_no_step_is_finer_than_that_of_the_largest_in_float32():
    values = features()
    small = np.abs(values) < 2.0 ** (BITS - FINEST)
    rounded = to_16_bits(values)[small].astype(np.float64)
    steps = rounded * 2.0 ** (FINEST - 1)  # the power of two above 1 is 2
    assert np.array_equal(steps, np.rint(steps))
    assert (np.abs(rounded - values[small]) <= 2.0**-FINEST).all()


def test_ties_go_to_the_even_neighbour():
    step = 2.0 ** (1 - BITS)
    assert to_16_bits(np.array([1.0 + 0.5 * step, 1.0 + 1.5 * step])).tolist() == [1.0, 1.0 + 2 * step]


def test_zero_has_no_sign_nor_has_what_is_rounded_to_it():
    rounded = to_16_bits(np.array([1.0, 0.0, -0.0, -1e-12, 1e-12]))
    assert not np.signbit(rounded).any()
    assert rounded[1:].tolist() == [0.0] * 4
    assert to_16_bits(np.zeros((3, 2))).tobytes() == bytes(4 * 6)


def test_what_is_rounded_stays_when_it_is_rounded_again():
    once = to_16_bits(features())
    assert once.dtype == np.float32
    assert np.array_equal(to_16_bits(once.astype(np.float64)), once)


def test_the_scale_does_not_matter_and_the_shape_is_kept():
    values = features().reshape(100, 50, 4)
    assert to_16_bits(values).shape == values.shape
    for power in (-60, 60):
        assert np.array_equal(to_16_bits(np.ldexp(values, power)), np.ldexp(to_16_bits(values), power))


def test_numbers_too_small_for_float32_are_rounded_once():
    rounded = to_16_bits(np.array([1e-44, 3e-46, -3e-46]))
    assert rounded.tolist() == [np.float32(1e-44), 0.0, 0.0]
    assert not np.signbit(rounded).any()


def test_errors_of_a_float64_network_are_hidden():
    values, rng = features(), np.random.default_rng(1)
    other = values + 1e-15 * rng.standard_normal(values.shape)
    assert not np.array_equal(other, values)
    assert to_16_bits(other).tobytes() == to_16_bits(values).tobytes()


def test_errors_of_a_float32_network_are_not():
    values, rng = features(), np.random.default_rng(1)
    other = values + 3e-7 * rng.standard_normal(values.shape)
    assert not np.array_equal(to_16_bits(other), to_16_bits(values))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e39, 3.4028235e38])
def test_what_float32_cannot_hold_is_refused(value):
    with pytest.raises(DataError, match="1 of 3 features are not finite, or too large for float32"):
        to_16_bits(np.array([0.5, value, 1.0]))
