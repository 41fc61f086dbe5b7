"""The log-mel encoder, against librosa 0.11 through a golden file.

``tests/golden/logmel_librosa.npz`` was made once by::

    import librosa, numpy as np

    rng, rate = np.random.default_rng(13711), 16000
    time = np.arange(19277) / rate
    tones = sum(np.sin(2 * np.pi * f * time) / k for k, f in enumerate((120.0, 431.5, 2210.0, 6500.0), 1))
    sound = 0.1 * tones + 0.03 * rng.standard_normal(len(time))
    ending = np.where(np.arange(len(time)) < 12000, sound, 0.0)
    golden = {}
    for name, signal in (("machine", sound), ("silent_end", ending)):
        golden[name] = np.round(32768 * signal).astype(np.int16)
        audio = golden[name].astype(np.float32) / 32768
        for power in (1.0, 2.0):
            mel = librosa.feature.melspectrogram(y=audio, sr=rate, n_fft=1024, hop_length=512, n_mels=128, power=power)
            decibels = (20.0 / power) * np.log10(np.maximum(mel, np.finfo(float).eps))
            golden[f"{name}_log_{power:g}"] = decibels.astype(np.float32)
            golden[f"{name}_amplitude_{power:g}"] = mel ** (1.0 / power)
    np.savez_compressed("tests/golden/logmel_librosa.npz", **golden)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError
from asdcore_plugins.encoders.logmel import LogMel

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "logmel_librosa.npz")
SILENCE_DB = 10 * np.log10(np.finfo(np.float64).eps)


def encode(audio, **parameters):
    return asdcore.load_encoder("logmel", **parameters).encode(audio, [0])[0].patches


def clips(n_clips, n_samples=4000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("name", ["machine", "silent_end"])
def test_equals_librosa_in_db(name, power):
    audio = GOLDEN[name].astype(np.float32) / 32768
    patches = encode(audio[None], power=power)
    assert patches.shape == (1, 38, 128, 1)
    assert np.abs(patches[0, :, :, 0].T - GOLDEN[f"{name}_log_{power:g}"]).max() < 1e-4


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("name", ["machine", "silent_end"])
def test_equals_librosa_in_amplitude(name, power):
    audio = GOLDEN[name].astype(np.float32) / 32768
    amplitude = encode(audio[None], power=power, log=False)[0, :, :, 0].T
    assert np.allclose(amplitude, GOLDEN[f"{name}_amplitude_{power:g}"], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("n_samples", [1, 511, 16000, 50_001])
@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 512), (1000, 333), (64, 64)])
def test_spectra_are_those_of_torch(n_samples, n_fft, hop):
    audio = clips(1, n_samples)[0]
    spectrum = torch.stft(
        torch.from_numpy(audio.astype(np.float64)),
        n_fft,
        hop,
        window=torch.hann_window(n_fft, dtype=torch.float64),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    expected = spectrum.abs().square().T.numpy()
    energy = LogMel(n_mels=8, n_fft=n_fft, hop=hop).energy(audio)
    assert energy.shape == expected.shape
    assert np.allclose(energy, expected, rtol=1e-12, atol=1e-12 * expected.max())


def test_golden_file_ends_in_digital_silence():
    silent = GOLDEN["silent_end_log_2"]
    assert (silent[:, -10:] < -156).all()
    assert (silent[:, :20] > -80).all()


def test_ten_seconds_are_313_frames():
    encoder = asdcore.load_encoder("logmel")
    assert (encoder.sample_rate, list(encoder.layers)) == (16000, [0])
    tokens = encoder.encode(clips(2, 160_000), [0])
    assert list(tokens) == [0]
    assert tokens[0].special is None
    assert tokens[0].patches.dtype == np.float32
    assert tokens[0].patches.shape == (2, 313, 128, 1)
    assert tokens[0].patches.flags.c_contiguous


def test_parameters_set_the_shape():
    assert encode(clips(3), n_mels=40, n_fft=512, hop=160).shape == (3, 26, 40, 1)


def test_a_tone_is_loudest_in_its_band():
    # 1000 Hz is 15 mels of 45.245 up to 8 kHz: band 15 / 45.245 * 129 - 1 = 41.77.
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    assert (encode(tone[None])[0, 2:-2, :, 0].argmax(axis=1) == 42).all()


def test_of_a_linear_scale_every_tone_is_loudest_in_the_band_at_its_share_of_the_range():
    for hertz in (1000, 4000, 7000):
        tone = np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
        loudest = encode(tone[None], scale="linear", n_mels=79)[0, 2:-2, :, 0].argmax(axis=1)
        assert (loudest == hertz // 100 - 1).all()
    bands = asdcore.load_encoder("logmel", scale="linear", n_mels=79).band_hertz(0)
    assert len({round(high - low) for low, high in bands[1:-1]}) <= 2


@pytest.mark.parametrize("scale", ["bark", "mel"])
def test_an_unknown_scale_is_refused(scale):
    with pytest.raises(asdcore.PluginError, match=f"scale must be one of slaney, linear, got '{scale}'"):
        asdcore.load_encoder("logmel", scale=scale)


def test_bands_have_unit_area():
    # White noise of unit variance has the power n_fft times the mean square of the window in every bin, and a triangle
    # of unit area in Hz sums 1 / (bin width) of them.
    noise = np.random.default_rng(1).standard_normal((1, 480_000)).astype(np.float32)
    mel = encode(noise, log=False, n_mels=40)[0, 5:-5, :, 0].astype(np.float64) ** 2
    assert mel.mean() == pytest.approx(1024 * 0.375 / (16000 / 1024), rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 3000))
def test_same_bits_whatever_clips_are_encoded_together(index, n_samples):
    audio = clips(6, n_samples)
    encoder = asdcore.load_encoder("logmel")
    alone = np.concatenate([encoder.encode(audio[i : i + 1], [0])[0].patches for i in range(6)])
    assert np.array_equal(encoder.encode(audio[index], [0])[0].patches, alone[index])


def test_same_bits_for_any_number_of_threads_and_memory_layout(threads):
    audio = clips(3, 50_000)
    patches = []
    for n in (1, 2):
        with threads(n):
            patches.append(encode(audio))
    assert np.array_equal(*patches)
    assert np.array_equal(patches[0], encode(np.asfortranarray(audio)))


def test_digital_silence_is_the_floor():
    assert np.allclose(encode(np.zeros((1, 16000), np.float32)), SILENCE_DB, rtol=0, atol=1e-4)
    assert not encode(np.zeros((1, 16000), np.float32), log=False).any()


@pytest.mark.parametrize("n_samples", [1, 100, 511, 512, 1023])
def test_clips_shorter_than_a_window(n_samples):
    patches = encode(clips(1, n_samples))
    assert patches.shape == (1, 1 + n_samples // 512, 128, 1)
    assert np.isfinite(patches).all()
    # A short clip is a long one that goes on in silence.
    padded = np.pad(clips(1, n_samples), ((0, 0), (0, 4096)))
    assert np.array_equal(encode(padded)[:, : patches.shape[1]], patches)


def test_no_sound_is_refused():
    with pytest.raises(DataError, match=r"\(1, 0\) holds no sound"):
        encode(np.zeros((1, 0), np.float32))


@pytest.mark.parametrize("layer", [1, -1, "final", "0"])
def test_unknown_layer_is_refused(layer):
    with pytest.raises(ValueError, match="logmel has the one layer 0, not"):
        asdcore.load_encoder("logmel").encode(clips(1), [0, layer])


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_mels": 0},
        {"hop": 0},
        {"n_fft": 0},
        {"n_fft": 401},
        {"power": 0},
        {"power": float("nan")},
        {"sample_rate": 0},
        {"sample_rate": 11025},
    ],
)
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match="and power must be above 0, sample_rate and n_fft even"):
        asdcore.load_encoder("logmel", **parameters)


def test_bands_without_a_frequency_are_refused():
    with pytest.raises(asdcore.PluginError, match="13 of 128 mel bands hold no frequency of an FFT of 256 samples"):
        asdcore.load_encoder("logmel", n_fft=256)
