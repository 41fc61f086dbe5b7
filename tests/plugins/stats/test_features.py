"""Frames as a scorer reads them, and what is said where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.stats.features import frames


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
