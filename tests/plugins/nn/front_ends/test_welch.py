"""Welch's estimate, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from asdcore_plugins.nn.front_ends.welch import density


def signals(*shape):
    """Noise, a tone and an offset that the estimate must take away."""
    return np.random.default_rng(0).normal(size=shape) + np.sin(0.3 * np.arange(shape[-1])) + 5.0


@pytest.mark.parametrize("n_fft", [2, 3, 7, 8, 250, 251, 8192])
@pytest.mark.parametrize("more", [0, 1, 2, 3, 100, 1001])
def test_equals_scipy(n_fft, more):
    audio = signals(n_fft + more)
    estimate = density(audio, 250.0, n_fft)
    expected = welch(audio, 250.0, nperseg=n_fft)[1]
    assert estimate.shape == (n_fft // 2 + 1,)
    # What the offset leaves at 0 Hz is rounding.
    assert np.allclose(estimate, expected, rtol=1e-12, atol=1e-25)


@pytest.mark.parametrize("n_fft", [8, 9])
def test_equals_scipy_for_every_row(n_fft):
    audio = signals(2, 3, 60)
    assert np.allclose(density(audio, 16000, n_fft), welch(audio, 16000, nperseg=n_fft)[1], rtol=1e-12, atol=1e-25)


def test_rows_are_the_same_bits_alone():
    audio = signals(5, 2000)
    together = density(audio, 250.0, 250)
    assert np.array_equal(together, [density(row, 250.0, 250) for row in audio])


def test_the_power_of_a_tone_is_found():
    tone = 3.0 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert density(tone, 16000, 1024).sum() * (16000 / 1024) == pytest.approx(4.5)


def test_silence_has_no_density():
    assert not density(np.zeros(100), 250.0, 50).any()
