"""The modulation spectrum: which mel band beats, how fast, how deeply."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RATE = 16000
EDGES = 100.0 ** (np.arange(17) / 16)
"""Of the default bands of modulation, in Hz."""


def encode(audio, **parameters):
    patches = asdcore.load_encoder("modulation", **parameters).encode(np.atleast_2d(audio), [0])[0].patches
    assert patches.shape[1] == 1
    return patches[:, 0]


def noise(n_samples=40_000, n_clips=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


def beating(rate, depth, carrier=2000.0, seconds=8.0):
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.1 * (1 + depth * np.sin(2 * np.pi * rate * time)) * np.sin(2 * np.pi * carrier * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [4.0, 11.0, 40.0])
@pytest.mark.parametrize("carrier", [700.0, 3000.0])
def test_a_beating_tone_shows_in_its_band_at_its_rate(rate, carrier):
    # Mel bands are evenly spaced: 24 of them up to 45.245 mels, 15 mels at 1 kHz.
    mels = carrier * 15 / 1000 if carrier < 1000 else 15 + 27 * np.log(carrier / 1000) / np.log(6.4)
    band = round(mels / 45.245 * 25) - 1
    spectrum = encode(beating(rate, 0.5, carrier) + 1e-4 * noise(8 * RATE)[0])[0]
    assert spectrum[band].argmax() == np.searchsorted(EDGES, rate) - 1


def test_density_sums_to_half_the_squared_depth():
    spectrum = encode(beating(10.0, 0.4))[0]
    band = round((15 + 27 * np.log(2.0) / np.log(6.4)) / 45.245 * 25) - 1
    total = (10 ** (spectrum[band].astype(np.float64) / 10) * np.diff(EDGES)).sum()
    assert total == pytest.approx(0.4**2 / 2, rel=0.05)


def test_is_welchs_estimate_of_the_relative_envelope():
    from transformers.audio_utils import mel_filter_bank

    clip, n_fft, hop, width = noise(30_000)[0].astype(np.float64), 400, 160, 100
    frames = np.array([clip[s : s + n_fft] for s in range(0, len(clip) - n_fft + 1, hop)])
    power = np.abs(np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1])) ** 2
    bank = mel_filter_bank(n_fft // 2 + 1, 10, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
    envelope = np.sqrt(power @ bank).T
    depth = envelope / envelope.mean(axis=1, keepdims=True)
    window = np.hanning(width + 1)[:-1]
    parts = [depth[:, s : s + width] for s in range(0, depth.shape[1] - width + 1, width // 2)]
    parts = [np.abs(np.fft.rfft((one - one.mean(axis=1, keepdims=True)) * window)) ** 2 for one in parts]
    density = 2 * np.mean(parts, axis=0) / (100.0 * np.square(window).sum())
    fine = np.arange(0, 49, 0.001) + 0.0005
    edges = 2.0 * 20.0 ** (np.arange(7) / 6)
    expected = [
        density[:, np.round(fine[(fine >= a) & (fine < b)]).astype(int)].mean(axis=1) for a, b in pairwise(edges)
    ]
    found = encode(clip.astype(np.float32), n_mels=10, n_fft=n_fft, hop=hop, n_rates=6, low=2.0, high=40.0)[0]
    assert np.abs(found - 10 * np.log10(expected).T).max() < 0.02


def test_shape_and_defaults():
    encoder = asdcore.load_encoder("modulation")
    assert (encoder.sample_rate, list(encoder.layers)) == (RATE, [0])
    tokens = encoder.encode(noise(20_000, n_clips=2), [0])[0]
    assert tokens.special is None
    assert tokens.patches.shape == (2, 1, 24, 16)
    assert tokens.patches.dtype == np.float32


def test_level_changes_nothing():
    assert np.array_equal(encode(noise() / 32), encode(noise()))


def test_silence_and_short_clips():
    assert np.allclose(encode(np.zeros((1, RATE), np.float32)), -80.0)
    for n_samples in (1, 200, 5000):
        assert np.isfinite(encode(noise(n_samples))).all()


def test_same_bits_whatever_clips_are_encoded_together_threads_and_layout(check_same_bits):
    check_same_bits(encode, noise(30_000, n_clips=5))


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"\(1, 0\) holds no sound"):
        encode(np.zeros((1, 0), np.float32))
    with pytest.raises(ValueError, match="modulation has the one layer 0, not"):
        asdcore.load_encoder("modulation").encode(noise(), ["final"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hop": 0}, "must be above 0, n_fft even"),
        ({"n_fft": 255}, "must be above 0, n_fft even"),
        ({"seconds": float("nan")}, "must be above 0, n_fft even"),
        ({"n_mels": 128}, "of 128 mel bands hold no frequency of an FFT of 256 samples"),
        ({"high": 126.0}, "up to 125"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_encoder("modulation", **parameters)
