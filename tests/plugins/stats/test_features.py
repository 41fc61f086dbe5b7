"""Frames as a scorer reads them, and what is said where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.stats.features import check_frames, flat, frames, unit_rows


def test_frames_stay_and_pooled_features_become_one_frame():
    features = np.arange(48, dtype=np.float32).reshape(2, 4, 2, 3)
    assert np.array_equal(frames(features, "padim"), features)
    pooled = frames(features.reshape(2, 24), "padim", bands=4)
    assert pooled.shape == (2, 1, 4, 6)
    # Pooled features are band after band.
    assert np.array_equal(pooled[1, 0, 2], features.reshape(2, 24)[1, 12:18])


def test_pooled_features_without_bands_are_refused():
    with pytest.raises(DataError, match=r"padim reads frames .* pooled to 24 values.*pooling to 'frames'"):
        frames(np.zeros((2, 24), np.float32), "padim")


def test_bands_that_do_not_divide_the_features_are_refused():
    with pytest.raises(DataError, match="24 values a clip are not 5 bands of one size"):
        frames(np.zeros((2, 24), np.float32), "padim", bands=5)


def test_flat_rows_are_wide_as_a_clip_even_without_clips():
    assert flat(np.zeros((2, 3, 4))).shape == (2, 12)
    assert flat(np.zeros((0, 3, 4))).shape == (0, 12)


def test_pooled_features_are_refused_where_frames_are_needed():
    check_frames(np.zeros((2, 3, 4, 5), np.float32), "temporal")
    with pytest.raises(
        DataError, match=r"temporal reads frames .* got \(12,\) values a clip. Use the pooling 'frames'"
    ):
        check_frames(np.zeros((2, 12), np.float32), "temporal")


def test_unit_rows_have_length_1_also_where_squares_leave_single_precision():
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    units = unit_rows(rows * np.array([[1.0], [1e-35], [1e-20], [1e25], [0.0]], np.float32))
    assert units.dtype == np.float32
    assert np.linalg.norm(units, axis=1) == pytest.approx([1, 1, 1, 1, 0], rel=1e-6)
    assert units[0].tobytes() == (rows[0] / np.linalg.norm(rows[:1], axis=1)).tobytes()
