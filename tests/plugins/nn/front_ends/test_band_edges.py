"""Bands lie where their filters do: a tone is loudest in a band that holds its frequency."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore

RATE = 16000


@pytest.mark.parametrize("name", ["logmel", "melspec", "psd_shape"])
@pytest.mark.parametrize("hertz", [250, 1000, 3500])
def test_a_tone_is_loudest_in_a_band_that_holds_it(name, hertz):
    encoder = asdcore.load_encoder(name)
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    patches = encoder.encode(tone[None].astype(np.float32))[0].patches[0]
    low, high = encoder.band_hertz(0)[int(patches.mean(axis=(0, 2)).argmax())]
    assert low <= hertz <= high


@pytest.mark.parametrize("name", ["logmel", "melspec"])
def test_mel_bands_reach_from_0_hz_to_half_the_sample_rate_without_a_gap(name):
    edges = np.array(asdcore.load_encoder(name, sample_rate=32000, n_mels=64, n_fft=2048).band_hertz(0))
    assert edges.shape == (64, 2)
    assert edges[0, 0] == 0
    assert edges[-1, 1] == 16000
    assert (edges[1:, 0] <= edges[:-1, 1]).all()


def test_bands_too_narrow_for_any_frequency_lie_between_their_neighbours():
    edges = np.array(asdcore.load_encoder("melspec", n_mels=128, n_fft=256).band_hertz(0))
    assert (edges[:, 0] < edges[:, 1]).all()
    assert (np.diff(edges, axis=0) >= 0).all()
