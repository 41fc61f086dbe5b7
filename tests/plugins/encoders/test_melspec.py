"""The mel amplitudes, against SciPy's short-time Fourier transform and triangles drawn with ``np.interp``.

torchaudio's own code is not at hand: what its documentation says of ``MelSpectrogram`` is written out here once more.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import stft

import asdcore
from asdcore import DataError


def encode(audio, **parameters):
    return asdcore.load_encoder("melspec", **parameters).encode(audio, [0])[0].patches


def clips(n_clips, n_samples=4000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


def oracle(clip, rate=16000, n_fft=1024, hop=512, n_mels=128):
    """(n_samples,) -> (time, n_mels): normalized by the window's energy, centred, padded with zeros, HTK, no norm."""
    window = np.hanning(n_fft + 1)[:-1]
    padded = np.pad(clip.astype(np.float64), n_fft // 2)
    _, _, spectrum = stft(padded, window=window, nperseg=n_fft, noverlap=n_fft - hop, boundary=None, padded=False)
    amplitude = np.abs(spectrum) * window.sum() / np.sqrt((window**2).sum())
    mels = np.linspace(0.0, 2595.0 * np.log10(1.0 + rate / 2 / 700.0), n_mels + 2)
    corners = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bins = np.arange(n_fft // 2 + 1) * rate / n_fft
    bank = [np.interp(bins, corners[i : i + 3], [0.0, 1.0, 0.0]) for i in range(n_mels)]
    return (np.array(bank) @ amplitude).T


@pytest.mark.parametrize("n_samples", [1, 511, 512, 1024, 20_011])
def test_equals_the_definition(n_samples):
    audio = clips(2, n_samples)
    patches = encode(audio)
    assert patches.shape == (2, 1 + n_samples // 512, 128, 1)
    assert patches.dtype == np.float32
    for found, clip in zip(patches[..., 0], audio, strict=True):
        np.testing.assert_allclose(found, oracle(clip), rtol=1e-5, atol=1e-7)


def test_equals_the_definition_with_other_parameters():
    audio = clips(1, 9000)
    found = encode(audio, sample_rate=8000, n_mels=40, n_fft=512, hop=160)[0, :, :, 0]
    np.testing.assert_allclose(found, oracle(audio[0], 8000, 512, 160, 40), rtol=1e-5, atol=1e-7)


def test_the_logarithm_is_in_decibels_and_has_a_floor():
    audio = np.concatenate([clips(1), np.zeros((1, 4000), np.float32)])
    found = encode(audio, log=True)[..., 0]
    np.testing.assert_allclose(found[0], 20 * np.log10(oracle(audio[0])), atol=1e-4)
    assert (found[1] == np.float32(20 * np.log10(np.finfo(float).eps))).all()
    with pytest.raises(asdcore.PluginError, match="log must be true or false, got 1"):
        encode(audio, log=1)


def test_a_short_clip_is_repeated_and_a_long_one_cut():
    short, long = clips(1, 7000), clips(1, 40_000, seed=1)
    repeated = np.tile(short, 5)[:, :32_000]
    assert np.array_equal(encode(short, seconds=2), encode(repeated))
    assert np.array_equal(encode(long, seconds=2.0), encode(long[:, :32_000]))
    assert encode(short, seconds=18).shape[1] == 563
    assert not np.array_equal(encode(short), encode(short, seconds=2)[:, : 1 + 7000 // 512])


def test_of_several_lengths_the_shortest_that_holds_the_clip_counts():
    for n_samples, seconds in ((5000, 0.5), (8000, 0.5), (8001, 2), (32_000, 2), (40_000, 2)):
        audio = clips(1, n_samples)
        assert np.array_equal(encode(audio, seconds=[2, 0.5]), encode(audio, seconds=seconds))


def test_twice_as_loud_is_twice_the_amplitude():
    audio = clips(1)
    assert np.array_equal(encode(2 * audio), 2 * encode(audio))
    assert not encode(np.zeros((1, 16000), np.float32)).any()


def test_same_bits_whatever_clips_are_encoded_together(threads):
    audio = clips(5, 3001)
    encoder = asdcore.load_encoder("melspec", seconds=0.5)
    alone = np.concatenate([encoder.encode(audio[i : i + 1], [0])[0].patches for i in range(5)])
    with threads(2):
        for index in ([4, 0, 0, 2], range(5)):
            found = encoder.encode(np.asfortranarray(audio[index]), [0])[0].patches
            assert np.array_equal(found, alone[index])


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(DataError, match=r"\(1, 0\) holds no sound"):
        encode(np.zeros((1, 0), np.float32), seconds=1)
    with pytest.raises(ValueError, match="melspec has the one layer 0, not"):
        asdcore.load_encoder("melspec").encode(clips(1), [0, 1])


@pytest.mark.parametrize("parameters", [{"n_mels": 0}, {"hop": 0}, {"n_fft": 401}, {"sample_rate": 11025}])
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match="hop must be above 0, sample_rate and n_fft even"):
        asdcore.load_encoder("melspec", **parameters)


@pytest.mark.parametrize("seconds", [0, -1.0, 1e-5, float("inf"), float("nan"), "18", True, [6, 0], [6, "18"]])
def test_seconds_that_are_no_length_are_refused(seconds):
    with pytest.raises(
        asdcore.PluginError, match="seconds must be a number, or several, of at least one sample each, got"
    ):
        asdcore.load_encoder("melspec", seconds=seconds)
