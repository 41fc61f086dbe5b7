"""Spectral subtraction: magnitudes are subtracted down to a floor, and the near phase is kept."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RATE = 16000


def noise(n_samples, seed=0, channels=2):
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, n_samples))).astype(np.float32)


def view(audio, **parameters):
    return asdcore.load_view("spectral_subtraction", **parameters)(audio, RATE)


def directly(audio, beta, floor, n_fft, hop):
    """The formula frame by frame and bin by bin, overlap-added as for w1."""
    n = audio.shape[1]
    window = np.hanning(n_fft + 1)[:-1]
    reflected = np.pad(audio.astype(np.float64), ((0, 0), (n_fft // 2, n_fft + hop)), mode="reflect")
    total, weight = np.zeros(reflected.shape[1]), np.zeros(reflected.shape[1])
    for start in range(0, (-(-n // hop) + 1) * hop, hop):
        near, far = (np.fft.fft(channel[start : start + n_fft] * window) for channel in reflected)
        left = [
            max(abs(c) - beta * abs(f), floor * abs(c)) * np.exp(1j * np.angle(c))
            for c, f in zip(near, far, strict=True)
        ]
        total[start : start + n_fft] += window * np.fft.ifft(left).real
        weight[start : start + n_fft] += window**2
    return (total / np.where(weight, weight, 1))[n_fft // 2 :][:n]


@pytest.mark.parametrize(("beta", "floor", "n_fft", "hop"), [(1.0, 0.1, 512, 256), (0.5, 0.0, 300, 70)])
def test_is_the_formula(beta, floor, n_fft, hop):
    audio = noise(3001)
    waveform = view(audio, beta=beta, floor=floor, n_fft=n_fft, hop=hop)
    assert waveform.dtype == np.float32
    assert np.abs(waveform - directly(audio, beta, floor, n_fft, hop)).max() < 1e-7


def test_near_is_untouched_where_far_is_silent_or_beta_is_0():
    audio = noise(RATE)
    assert np.allclose(view(audio, beta=0.0), audio[0], rtol=0, atol=1e-7)
    audio[1] = 0.0
    assert np.allclose(view(audio), audio[0], rtol=0, atol=1e-7)


def test_what_both_hear_alike_falls_to_the_floor():
    audio = noise(RATE, channels=1).repeat(2, axis=0)
    assert np.allclose(view(audio, floor=0.25), 0.25 * audio[0], rtol=0, atol=1e-7)
    assert np.allclose(view(audio, floor=0.0), 0.0, rtol=0, atol=1e-7)


def test_a_tone_near_stands_out_of_noise_around():
    time = np.arange(2 * RATE) / RATE
    tone = 0.05 * np.sin(2 * np.pi * 1000 * time)
    audio = noise(2 * RATE)
    audio[0] += tone.astype(np.float32)

    def tone_to_noise(waveform):
        share = 2 * np.dot(waveform, tone) ** 2 / np.dot(tone, tone) / np.dot(waveform, waveform)
        return 10 * np.log10(share / (1 - share))

    assert tone_to_noise(view(audio)) > tone_to_noise(audio[0]) + 3


def test_level_is_kept():
    audio = noise(RATE)
    assert np.array_equal(view(audio / 64), view(audio) / 64)


def test_silence_stays_silent():
    assert not view(np.zeros((2, 2048), np.float32)).any()


def test_same_bits_for_any_number_of_threads_and_memory_layout(check_same_bits):
    check_same_bits(view, noise(50_000))


def test_one_channel_and_short_clips_are_refused():
    with pytest.raises(DataError, match=r"'spectral_subtraction' needs a near and a far channel.*has 1\."):
        view(noise(4096, channels=1))
    assert view(noise(512)).shape == (512,)
    with pytest.raises(DataError, match=r"511 samples\) is shorter than the window of 'spectral_subtraction' \(512\)"):
        view(noise(511))


@pytest.mark.parametrize("parameters", [{"beta": -1.0}, {"beta": float("nan")}, {"floor": 1.5}, {"floor": -0.1}])
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match="beta must be 0 or more and floor from 0 to 1"):
        asdcore.load_view("spectral_subtraction", **parameters)


def test_a_hop_that_leaves_gaps_is_refused():
    with pytest.raises(asdcore.PluginError, match="0 < hop <= n_fft / 2"):
        asdcore.load_view("spectral_subtraction", hop=512)
