"""The relation of two channels: level, phase and coherence in bands, whatever is heard by both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

import asdcore
from asdcore import DataError

RATE = 16000
LEVEL, COSINE, SINE, COHERENCE = range(4)


def encode(audio, **parameters):
    audio = np.asarray(audio, np.float32)
    patches = asdcore.load_encoder("coherence", **parameters).encode(audio[None] if audio.ndim == 2 else audio, [0])
    return patches[0].patches[0] if audio.ndim == 2 else patches[0].patches


def noise(n_samples=2 * RATE, channels=2, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, n_samples))


def related(own=0.0, n_samples=2 * RATE):
    """One noise at both microphones, half as loud at the far one, and noises of their own."""
    sound = noise(n_samples, channels=1)[0]
    return np.stack([sound, 0.5 * sound]) + own * noise(n_samples, seed=1)


def test_says_what_it_is():
    encoder = asdcore.load_encoder("coherence")
    assert (encoder.sample_rate, encoder.channels, list(encoder.layers)) == (RATE, 2, [0])
    tokens = encoder.encode(noise(10 * RATE)[None].astype(np.float32), [0])[0]
    assert tokens.patches.shape == (1, 10, 16, 4)
    assert tokens.patches.dtype == np.float32
    assert tokens.patches.flags.c_contiguous
    assert tokens.special is None


def test_half_the_amplitude_is_0_6_bel_in_phase_and_coherent():
    found = encode(related())
    assert np.allclose(found[..., LEVEL], 2 * np.log10(2), rtol=0, atol=1e-5)
    assert np.allclose(found[..., [COSINE, COHERENCE]], 1.0, rtol=0, atol=1e-5)
    assert np.allclose(found[..., SINE], 0.0, rtol=0, atol=1e-5)


def test_a_far_channel_turned_over_is_out_of_phase():
    near, far = related()
    assert np.allclose(encode([near, -far])[..., COSINE], -1.0, rtol=0, atol=1e-5)


def test_a_quarter_of_a_turn_is_in_quadrature():
    # A Hilbert transform makes of every cosine a sine, which is a quarter of a period behind it.
    analytic = signal.hilbert(noise(channels=1)[0])
    found = encode(np.stack([analytic.real, analytic.imag]))
    assert found[..., SINE].min() > 0.99
    assert np.abs(found[..., COSINE]).max() < 0.01


@pytest.mark.parametrize("own", [0.5, 1.0, 2.0])
def test_coherence_is_the_share_that_both_have_in_common(own):
    # Of the near power 1 / (1 + own^2) is common, of the far one 0.25 / (0.25 + own^2); estimated from K frames, the
    # coherence has the bias (1 - gamma^2)^2 / K (Carter, Knapp and Nuttall, 1973).
    true = 1 / (1 + own**2) * 0.25 / (0.25 + own**2)
    frames = 311 / 1.056
    found = encode(related(own, 10 * RATE), seconds=10.0)
    assert found.shape == (1, 16, 4)
    assert found[..., COHERENCE].mean() == pytest.approx(true + (1 - true) ** 2 / frames, abs=0.02)
    assert found[..., COSINE].mean() == pytest.approx(np.sqrt(true), abs=0.02)
    level = np.log10((1 + own**2) / (0.25 + own**2))
    assert found[..., LEVEL].mean() == pytest.approx(level, abs=0.01)


def test_unrelated_channels_have_no_phase_rather_than_any():
    found = encode(noise(10 * RATE))
    assert np.abs(found[..., [COSINE, SINE]]).max() < 0.25
    assert np.abs(found[..., [COSINE, SINE]].mean(axis=0)).max() < 0.1
    assert found[..., COHERENCE].mean() == pytest.approx(1 / (31 / 1.056), rel=0.1)


def test_a_gain_of_both_channels_changes_nothing():
    audio = related(0.5)
    assert np.allclose(encode(0.01 * audio), encode(audio), rtol=0, atol=1e-4)


def test_a_sound_that_only_the_near_microphone_hears_is_found_in_its_band_and_second():
    audio = related(0.05, 3 * RATE)
    tone = np.zeros(3 * RATE)
    tone[RATE : 2 * RATE] = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
    change = encode(audio + np.stack([tone, 0 * tone])) - encode(audio)
    second, band = np.unravel_index(change[..., LEVEL].argmax(), change.shape[:2])
    assert second == 1
    assert change[1, band, LEVEL] > 0.5
    assert change[1, band, COHERENCE] < -0.03
    assert np.abs(change[[0, 2]][:, :4]).max() < 0.05


@pytest.mark.parametrize(
    ("seconds", "segments"), [(0.3, 1), (1.0, 1), (1.4, 1), (1.7, 2), (3.0, 3), (9.9, 10), (10.0, 10), (12.0, 12)]
)
def test_segments_are_of_about_a_second(seconds, segments):
    assert encode(noise(int(seconds * RATE))).shape == (segments, 16, 4)


@pytest.mark.parametrize("n_samples", [1024 + 512 * n for n in (7, 11, 14, 15)])
def test_no_segment_has_fewer_than_8_frames(n_samples):
    # Of 8 to 15 frames no two segments can be made, of 16 they can.
    assert len(encode(noise(n_samples), seconds=8 * 512 / RATE)) == 1 + (n_samples == 1024 + 512 * 15)


def test_silence_on_one_side_or_both_is_finite_and_related_to_nothing():
    audio = noise()
    for near, far, level in ((0, 0, 0.0), (1, 0, 9.0), (0, 1, -9.0)):
        found = encode(audio * np.array([[near], [far]]))
        assert not found[..., COSINE:].any()
        assert np.abs(found[..., LEVEL] - level).max() < 1.5


def test_same_bits_whatever_clips_are_encoded_together_threads_and_layout(check_same_bits):
    check_same_bits(encode, np.stack([noise(20_000, seed=seed) for seed in range(5)]).astype(np.float32))


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"coherence reads a near and a far channel, .* Give it the view 'stereo'"):
        encode(np.zeros((3, 1, RATE)))
    with pytest.raises(ValueError, match="coherence has the one layer 0, not"):
        asdcore.load_encoder("coherence").encode(noise()[None], [0, 1])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hop": 0}, "0 < hop <= n_fft"),
        ({"seconds": 0.2}, "are 6 frames, and a coherence takes 8"),
        ({"n_bands": 128, "n_fft": 256, "hop": 128}, "13 of 128 mel bands hold no frequency"),
        ({"n_bands": 0}, "0 mel bands"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_encoder("coherence", **parameters)
