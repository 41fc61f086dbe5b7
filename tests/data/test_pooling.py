"""Tokens -> features: each pooling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore import DataError, PortfolioError
from asdcore.data.pooling import POOLINGS, pool

# Two frames, three bands, two dimensions.
PATCHES = np.array([[[1, 2], [3, 4], [5, 6]], [[3, 8], [5, 0], [5, -6]]], np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", [2, 5, 4, 2, 5, 0]),
        ("mean_all", [22 / 6, 14 / 6]),
        ("max", [3, 8, 5, 4, 5, 6]),
        ("mean_std", [2, 5, 4, 2, 5, 0, 1, 3, 1, 2, 0, 6]),
        ("frames", PATCHES),
    ],
)
def test_by_hand(name, expected):
    features = pool(name, PATCHES)
    assert features.dtype == np.float32
    assert features.shape == np.shape(expected)
    assert np.array_equal(features, np.asarray(expected, np.float32))


def test_every_pooling_is_tested_by_hand():
    assert sorted(POOLINGS) == ["frames", "max", "mean", "mean_all", "mean_std"]


@pytest.mark.parametrize("name", ["mean", "mean_all", "mean_std"])
def test_sums_are_float64(name):
    # 2**24 + 1 is not a float32: added up one after the other, the ones would be lost.
    patches = np.ones((5000, 1, 1), np.float32)
    patches[0] = 2.0**24
    assert pool(name, patches)[0] == np.float32((2.0**24 + 4999) / 5000)
    assert pool(name, patches)[0] != np.float32(2.0**24 / 5000)


def test_deviation_is_float64():
    # Steps of 1 on an offset of 2**23: their mean square is lost to float32 twice over.
    patches = (2.0**23 + np.arange(1000) % 2).astype(np.float32).reshape(-1, 1, 1)
    assert pool("mean_std", patches)[1] == 0.5


@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_input_is_left_alone_and_output_is_not_a_window_onto_it(name):
    patches = PATCHES.copy()
    pool(name, patches)[...] = 99.0
    assert np.array_equal(patches, PATCHES)


@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_same_bits_in_any_memory_layout(name):
    # Over many magnitudes, and with sums that end close to 0: the order in which they are made shows.
    rng = np.random.default_rng(0)
    patches = (rng.standard_normal((100, 8, 64)) * 10 ** rng.uniform(-8, 8, (100, 8, 64))).astype(np.float32)
    patches[-1] = -patches[:-1].sum(axis=0, dtype=np.float64)
    batch = np.stack([patches, patches], axis=-1)
    assert np.array_equal(pool(name, patches), pool(name, np.asfortranarray(patches)))
    assert np.array_equal(pool(name, patches), pool(name, batch[..., 1]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_tokens_that_are_not_finite_are_refused(name, value):
    patches = PATCHES.copy()
    patches[0, 1, 0] = patches[1, 2, 1] = value
    with pytest.raises(
        DataError, match=rf"tokens hold 2 values that are not finite, so there are no features \({name}\)"
    ):
        pool(name, patches)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0), (3, 2), (1, 2, 3, 2)])
@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_other_shapes_are_refused(name, shape):
    with pytest.raises(DataError, match=r"patches of shape .*\(time, band, dim\), none of them 0, is needed"):
        pool(name, np.ones(shape, np.float32))


def test_unknown_pooling_is_refused_with_a_suggestion():
    with pytest.raises(
        PortfolioError, match=r"No pooling is named 'men'\. Did you mean 'mean'\? Known: frames, max, mean"
    ):
        pool("men", PATCHES)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_sizes(time, band, dim):
    patches = np.random.default_rng(0).standard_normal((time, band, dim)).astype(np.float32)
    sizes = {name: pool(name, patches).shape for name in POOLINGS}
    flat = band * dim
    expected = {"mean": (flat,), "mean_all": (dim,), "max": (flat,), "mean_std": (2 * flat,), "frames": patches.shape}
    assert sizes == expected
