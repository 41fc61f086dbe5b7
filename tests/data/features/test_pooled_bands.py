"""What lies in a band after pooling is what was pooled from it."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.features.pooled_bands import BY_BAND, by_band
from asdcore.data.features.pooling import POOLINGS, pool

TIME, BANDS, DIM = 5, 4, 3


def test_every_pooling_says_whether_it_keeps_bands_apart():
    assert BY_BAND.keys() == POOLINGS.keys()


@pytest.mark.parametrize("pooling", [name for name, sums in BY_BAND.items() if sums is not None])
def test_a_band_that_changes_is_the_one_whose_features_change(pooling):
    patches = np.random.default_rng(0).uniform(0.2, 1.0, size=(TIME, BANDS, DIM))
    other = patches.copy()
    other[:, 2] += np.linspace(1.0, 2.0, TIME)[:, None]
    change = np.abs(pool(pooling, other).astype(float) - pool(pooling, patches))
    sums = by_band(pooling, change, BANDS)
    assert sums.shape == (TIME if pooling == "frames" else 1, BANDS)
    assert (sums[:, 2] > 0).all()
    others = np.delete(sums, 2, axis=1)
    assert (others < sums[:, 2:3] / BANDS).all() if pooling == "mean_std_level" else not others.any()


@pytest.mark.parametrize("pooling", ["cls", "mean_all"])
def test_poolings_over_all_bands_have_none(pooling):
    assert by_band(pooling, np.ones(DIM), BANDS) is None
