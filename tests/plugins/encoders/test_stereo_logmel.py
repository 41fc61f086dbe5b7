"""The log-mel spectrograms of both channels, and their coherence around every frame."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.encoders.stereo_logmel import around

RATE = 16000
NEAR, FAR, COHERENCE = range(3)


def encode(audio, **parameters):
    audio = np.asarray(audio, np.float32)
    patches = asdcore.load_encoder("stereo_logmel", **parameters).encode(audio[None] if audio.ndim == 2 else audio, [0])
    return patches[0].patches[0] if audio.ndim == 2 else patches[0].patches


def noise(n_samples=2 * RATE, channels=2, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, n_samples))


def test_says_what_it_is():
    encoder = asdcore.load_encoder("stereo_logmel")
    assert (encoder.sample_rate, encoder.channels, list(encoder.layers)) == (RATE, 2, [0])
    tokens = encoder.encode(noise(10 * RATE)[None].astype(np.float32), [0])[0]
    assert tokens.patches.shape == (1, 311, 64, 3)
    assert tokens.patches.dtype == np.float32
    assert tokens.patches.flags.c_contiguous
    assert tokens.special is None


def test_levels_are_power_densities_in_db():
    # White noise of variance 0.01 has its power spread over 8000 Hz.
    levels = 10 ** (encode(noise(20 * RATE) * np.array([[1.0], [0.1]]))[..., :2].astype(np.float64) / 10)
    assert levels[..., NEAR].mean() == pytest.approx(0.01 / 8000, rel=0.02)
    assert levels[..., FAR].mean() == pytest.approx(0.0001 / 8000, rel=0.02)


@pytest.mark.parametrize("channel", [NEAR, FAR])
def test_levels_are_those_of_logmel_but_for_a_constant_in_every_band(channel):
    audio = noise().astype(np.float32)
    mono = asdcore.load_encoder("logmel", n_mels=64).encode(audio[[channel]], [0])[0].patches[0, :, :, 0]
    # Frames of logmel are centred: one that begins at 512 t is its frame t + 1.
    gap = encode(audio)[:, :, channel] - mono[1 : 1 + 61]
    assert np.ptp(gap, axis=0).max() < 1e-4


def test_coherence_is_that_of_the_second_around_a_frame():
    audio = noise(6 * RATE)
    audio[:, : 3 * RATE] = audio[0, : 3 * RATE]
    coherence = encode(audio)[..., COHERENCE].mean(axis=1)
    middle = int(3 * RATE / 512)
    assert (coherence[: middle - 17] > 0.999).all()
    assert (coherence[middle + 17 :] < 0.1).all()
    assert (np.diff(coherence[middle - 15 : middle + 15]) < 0.01).all()
    wide = encode(audio, seconds=20.0)[..., COHERENCE]
    assert np.ptp(wide, axis=0).max() == 0.0


def test_coherence_of_the_clip_is_that_of_the_other_encoder():
    audio = noise() + noise(channels=1, seed=2)
    other = asdcore.load_encoder("coherence", n_bands=64, seconds=20.0).encode(audio[None].astype(np.float32), [0])
    found = encode(audio, seconds=20.0)[0, :, COHERENCE]
    assert np.array_equal(found, other[0].patches[0, 0, :, 3])


def test_frames_around_a_frame():
    starts, stops = around(10, 4)
    assert starts.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 6]
    assert (stops - starts == 4).all()
    starts, stops = around(3, 8)
    assert (starts.tolist(), stops.tolist()) == ([0, 0, 0], [3, 3, 3])


def test_silence_is_the_floor():
    audio = noise() * np.array([[1.0], [0.0]])
    found = encode(audio)
    assert np.allclose(found[..., FAR], -160.0, rtol=0, atol=1e-4)
    assert found[..., NEAR].min() > -100
    assert not found[..., COHERENCE].any()
    assert np.array_equal(encode(0 * audio)[..., NEAR], found[..., FAR])


def test_same_bits_whatever_clips_are_encoded_together_threads_and_layout(check_same_bits):
    check_same_bits(encode, np.stack([noise(20_000, seed=seed) for seed in range(5)]).astype(np.float32))


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"stereo_logmel reads a near and a far channel, .* Give it the view 'stereo'"):
        encode(np.zeros((3, 1, RATE)))
    with pytest.raises(ValueError, match="stereo_logmel has the one layer 0, not"):
        asdcore.load_encoder("stereo_logmel").encode(noise()[None], [0, 1])
    with pytest.raises(DataError, match="too short for a coherence"):
        encode(noise(4000))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hop": 0}, "0 < hop <= n_fft"),
        ({"seconds": 0.2}, "are 6 frames, and a coherence takes 8"),
        ({"n_mels": 128, "n_fft": 256, "hop": 128}, "13 of 128 mel bands hold no frequency"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_encoder("stereo_logmel", **parameters)
