"""The transform that views share: what scipy computes, and back without a loss at any length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore import DataError
from asdcore_plugins.nn.front_ends.sound import InMemory
from asdcore_plugins.nn.front_ends.stft import Stft, near_and_far
from asdcore_plugins.nn.front_ends.stft_blocks import BlockSpectra, as_clip


def sound(n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n_samples))


def test_spectra_are_those_of_scipy():
    from scipy.signal import ShortTimeFFT, get_window

    signals = sound(4000)
    (ours,) = BlockSpectra(Stft(256, 64), InMemory(signals))()
    padded = np.pad(signals, ((0, 0), (128, 128)), mode="reflect")
    theirs = ShortTimeFFT(get_window("hann", 256), 64, 1.0, scale_to=None, phase_shift=None)
    # scipy's slice 2 begins where our frame 0 does.
    assert np.allclose(ours[:, :60], np.moveaxis(theirs.stft(padded, p0=2, p1=62), 1, 2), rtol=0, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 128).map(lambda half: 2 * half), st.integers(1, 2000), st.data())
def test_there_and_back_is_the_signal(n_fft, beyond, data):
    hop = data.draw(st.integers(1, n_fft // 2))
    signals = sound(n_fft + beyond)
    spectra = BlockSpectra(Stft(n_fft, hop), InMemory(signals))
    for channel, signal in enumerate(signals):
        back = as_clip(spectra.waveform(block[channel] for block in spectra()))
        assert np.abs(back - signal).max() < 1e-9


def test_two_channels_in_float64_and_one_layout():
    audio = sound(100).astype(np.float32)
    channels = near_and_far(np.asfortranarray(audio), "w1")
    assert channels.dtype == np.float64
    assert channels.flags.c_contiguous
    assert np.array_equal(channels, audio)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_another_number_of_channels_is_refused(n_channels):
    with pytest.raises(
        DataError, match=rf"view 'v' needs a near and a far channel, .* has {n_channels}\. Use .*'near'"
    ):
        near_and_far(np.zeros((n_channels, 10), np.float32), "v")


def test_a_clip_within_one_window_is_refused():
    with pytest.raises(DataError, match=r"\(9 samples\) is shorter than the window of 'v' \(10\)"):
        near_and_far(np.zeros((2, 9), np.float32), "v", 10)
