"""The Wiener-like gain: what is louder near than in the clip's calm parts passes, the rest is turned down."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RATE = 16000


def noise(n_samples, seed=0, channels=2):
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, n_samples))).astype(np.float32)


def view(audio, **parameters):
    return asdcore.load_view("wiener", **parameters)(audio, RATE)


def directly(audio, beta, alpha, floor, percentile, n_mels, n_fft, hop):
    """The formula in plain numpy, with the mel bank of transformers."""
    from transformers.audio_utils import mel_filter_bank

    n = audio.shape[1]
    window = np.hanning(n_fft + 1)[:-1]
    reflected = np.pad(audio.astype(np.float64), ((0, 0), (n_fft // 2, n_fft + hop)), mode="reflect")
    starts = range(0, (-(-n // hop) + 1) * hop, hop)
    near, far = (np.array([np.fft.rfft(one[s : s + n_fft] * window) for s in starts]) for one in reflected)
    bank = mel_filter_bank(n_fft // 2 + 1, n_mels, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney").T
    powers = [np.abs(one) ** 2 @ bank.T for one in (near, far)]
    least = 1e-12 * max(one.max() for one in powers)
    ratio = (powers[0] + least) / (powers[1] + least)
    gain = np.clip(1 - beta * np.percentile(ratio, percentile, axis=0) / ratio, floor, 1) ** alpha
    bins = np.arange(n_fft // 2 + 1) * RATE / n_fft
    centres = (bank * bins).sum(axis=1) / bank.sum(axis=1)
    total, weight = np.zeros(reflected.shape[1]), np.zeros(reflected.shape[1])
    for s, spectrum, gains in zip(starts, near, gain, strict=True):
        total[s : s + n_fft] += window * np.fft.irfft(spectrum * np.interp(bins, centres, gains), n_fft)
        weight[s : s + n_fft] += window**2
    return (total / np.where(weight, weight, 1))[n_fft // 2 :][:n]


@pytest.mark.parametrize("values", [(1.0, 1.0, 0.05, 20.0, 64, 1024, 512), (0.7, 0.5, 0.2, 35.0, 20, 400, 130)])
def test_is_the_formula(values):
    names = ("beta", "alpha", "floor", "percentile", "n_mels", "n_fft", "hop")
    audio = noise(6001)
    waveform = view(audio, **dict(zip(names, values, strict=True)))
    assert waveform.dtype == np.float32
    assert np.abs(waveform - directly(audio, *values)).max() < 1e-7


def test_defaults_are_those_described():
    audio = noise(6001)
    assert np.abs(view(audio) - directly(audio, 1.0, 1.0, 0.05, 20.0, 64, 1024, 512)).max() < 1e-7


def test_a_machine_that_pauses_passes_and_its_pauses_are_turned_down():
    audio = noise(4 * RATE)
    running = np.arange(4 * RATE) >= 2 * RATE
    audio[0] += (running * noise(4 * RATE, seed=1, channels=1)[0] * 8).astype(np.float32)
    waveform = view(audio)

    def level(sound, part):
        return 10 * np.log10(np.mean(np.square(sound[part])))

    middle, pause = slice(int(2.2 * RATE), None), slice(None, int(1.8 * RATE))
    assert level(waveform, middle) > level(audio[0], middle) - 1
    assert level(waveform, pause) < level(audio[0], pause) - 6


def test_a_steady_machine_is_taken_for_noise():
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE)
    audio = noise(4 * RATE) * 0.01
    audio += np.stack([tone, 0.3 * tone]).astype(np.float32)
    assert np.mean(view(audio) ** 2) < 0.1 * np.mean(audio[0] ** 2)


def test_beta_0_passes_everything():
    audio = noise(RATE)
    assert np.allclose(view(audio, beta=0.0), audio[0], rtol=0, atol=1e-7)


def test_level_is_kept():
    audio = noise(RATE)
    assert np.array_equal(view(audio / 64), view(audio) / 64)


def test_silence_stays_silent_and_a_silent_channel_is_no_trouble():
    assert not view(np.zeros((2, 2048), np.float32)).any()
    for channel in (0, 1):
        audio = noise(RATE)
        audio[channel] = 0.0
        assert np.isfinite(view(audio)).all()
        assert bool(view(audio).any()) == (channel == 1)


def test_same_bits_for_any_number_of_threads_and_memory_layout(check_same_bits):
    check_same_bits(view, noise(50_000))


def test_one_channel_and_short_clips_are_refused():
    with pytest.raises(DataError, match=r"'wiener' needs a near and a far channel.*has 1\."):
        view(noise(4096, channels=1))
    assert view(noise(1024)).shape == (1024,)
    with pytest.raises(DataError, match=r"1023 samples\) is shorter than the window of 'wiener' \(1024\)"):
        view(noise(1023))


def test_bands_without_a_frequency_are_refused():
    with pytest.raises(DataError, match=r"of 128 mel bands .* FFT of 256 samples at 16000 Hz: lower n_mels"):
        view(noise(RATE), n_mels=128, n_fft=256, hop=128)


@pytest.mark.parametrize(
    "parameters",
    [{"beta": -1.0}, {"alpha": 0.0}, {"floor": 0.0}, {"floor": 2.0}, {"percentile": 101.0}, {"beta": float("nan")}],
)
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match="beta must be 0 or more, alpha above 0, floor above 0"):
        asdcore.load_view("wiener", **parameters)


def test_one_band_is_refused():
    with pytest.raises(asdcore.PluginError, match="n_mels must be at least 2 and at most 16384, got 1"):
        asdcore.load_view("wiener", n_mels=1)
