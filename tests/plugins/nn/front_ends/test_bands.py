"""Bands on a logarithmic axis: each has the mean of what lies between its edges."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.nn.front_ends.bands import LogBands


def test_a_band_is_the_integral_over_its_bins():
    # Bin k is constant from k - 1/2 to k + 1/2 times the resolution: summed here in a million steps, and so exact.
    density = np.random.default_rng(0).random(129)
    bands = LogBands(129, 2.0, 7, 5.0, 250.0)(density)
    edges = 5.0 * 50.0 ** (np.arange(8) / 7)
    for low, high, found in zip(edges[:-1], edges[1:], bands, strict=True):
        middle = low + (np.arange(1_000_000) + 0.5) * (high - low) / 1_000_000
        assert found == pytest.approx(density[np.round(middle / 2.0).astype(int)].mean(), rel=1e-5)


def test_a_band_narrower_than_a_bin_has_the_bin_s_density():
    density = np.arange(10.0)
    assert np.allclose(LogBands(10, 1.0, 3, 3.9, 4.1)(density), 4.0)


def test_white_noise_is_flat_and_every_row_is_its_own():
    density = np.repeat([[3.0], [0.0]], 65, axis=1)
    assert np.allclose(LogBands(65, 1.0, 12, 1.0, 64.0)(density), [[3.0] * 12, [0.0] * 12])


def test_bands_below_the_first_or_above_the_last_bin_are_refused():
    for low, high, n_bands in ((0.0, 10.0, 4), (5.0, 5.0, 4), (1.0, 65.0, 4), (1.0, 10.0, 0), (float("nan"), 2.0, 1)):
        with pytest.raises(ValueError, match=r"are not possible: give one or more, from above 0 Hz on and up to 64\.0"):
            LogBands(65, 1.0, n_bands, low, high)
