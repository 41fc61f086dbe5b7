"""What two channels have in common: densities, phases and coherences that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from asdcore import DataError
from asdcore_plugins.nn.front_ends.cross_spectra import FEWEST, FLOOR, CrossSpectra, both_channels, common, unit_bands

RATE, N_FFT, HOP = 16000, 512, 256


def noise(n_samples=20_000, channels=2, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, n_samples))


def spectra(clip, seconds=0.5):
    return CrossSpectra(RATE, N_FFT, HOP, seconds)(np.asarray(clip, np.float32))


def whole(clip):
    """What is common in the clip as one segment."""
    frames = spectra(clip)
    return common(frames, np.array([0]), np.array([frames.shape[1]]))


def filtered(common_part, own=0.0, seed=1):
    """Two channels that hear one sound through filters of their own, and noises of their own."""
    other = own * noise(common_part.shape[-1], seed=seed)
    heard = [signal.lfilter(taps, 1.0, common_part) for taps in ([1.0, 0.5, -0.2], [0.4, 0.0, 0.3])]
    return np.stack(heard) + other


def test_densities_and_coherence_are_those_of_scipy():
    clip = filtered(noise(channels=1)[0], own=0.8).astype(np.float32)
    found = whole(clip)
    options = {"fs": RATE, "window": "hann", "nperseg": N_FFT, "noverlap": N_FFT - HOP, "detrend": False}
    inner = slice(1, -1)  # scipy does not double the two bins at the ends
    for density, channel in ((found.near, clip[0]), (found.far, clip[1])):
        _, wanted = signal.welch(channel.astype(np.float64), **options)
        np.testing.assert_allclose(density[0, inner], wanted[inner], rtol=1e-10)
    _, wanted = signal.coherence(*clip.astype(np.float64), **options)
    np.testing.assert_allclose(np.abs(found.coherency[0]) ** 2, wanted, rtol=1e-5)
    _, cross = signal.csd(*clip.astype(np.float64), **options)
    np.testing.assert_allclose(np.angle(found.coherency[0, inner]), -np.angle(cross[inner]), atol=1e-9)


def test_a_filter_from_one_channel_to_the_other_is_coherent_and_unrelated_noise_is_not():
    related, unrelated = whole(filtered(noise(channels=1)[0])), whole(noise())
    assert (np.abs(related.coherency) ** 2).min() > 0.98
    # K frames that overlap by half count as K / 1.06 (Welch); 20 000 samples hold 77.
    assert (np.abs(unrelated.coherency) ** 2).mean() == pytest.approx(1.056 / 77, rel=0.2)


def test_a_delay_of_the_far_channel_is_a_phase_that_grows_with_frequency():
    sound = noise(20_004, channels=1)[0]
    found = whole(np.stack([sound[4:], sound[:-4]]))
    omega = np.arange(N_FFT // 2 + 1) * 2 * np.pi / N_FFT
    turned = found.coherency[0] * np.exp(-4j * omega)
    assert np.abs(np.angle(turned)).max() < 0.1


def test_segments_are_the_means_of_their_own_frames():
    frames = spectra(noise())
    starts, stops = np.array([0, 10, 30, 30]), np.array([10, 30, 77, 42])
    found = common(frames, starts, stops)
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        alone = common(frames[:, start:stop], np.array([0]), np.array([stop - start]))
        np.testing.assert_allclose(found.near[i], alone.near[0], rtol=1e-9)
        np.testing.assert_allclose(found.far[i], alone.far[0], rtol=1e-9)
        np.testing.assert_allclose(found.coherency[i], alone.coherency[0], rtol=1e-7, atol=1e-9)


def test_silence_has_no_coherence_and_none_is_left_of_a_loud_sound_before_it():
    clip = np.tile(np.sin(0.3 * np.arange(20_000)), (2, 1))
    clip[:, 10_000:] = 0.0
    frames = spectra(clip)
    found = common(frames, np.array([0, 45]), np.array([30, 77]))
    assert np.abs(found.coherency[0]).max() == pytest.approx(1.0, abs=1e-9)
    assert np.abs(found.coherency[1]).max() < 0.1
    assert found.near[1].max() < FLOOR


def test_no_coherency_is_larger_than_one():
    mono = np.repeat(noise(channels=1), 2, axis=0)
    frames = spectra(mono)
    found = common(frames, np.arange(70), np.arange(70) + 1)
    assert np.abs(found.coherency).max() <= 1.0 + 1e-15
    assert np.abs(found.coherency).min() > 0.999


@pytest.mark.parametrize(("n_samples", "enough"), [(N_FFT + 7 * HOP, True), (N_FFT + 7 * HOP - 1, False)])
def test_clips_of_fewer_than_8_frames_are_refused(n_samples, enough):
    if enough:
        assert spectra(noise(n_samples)).shape == (2, FEWEST, N_FFT // 2 + 1)
    else:
        with pytest.raises(DataError, match="2303 samples is too short for a coherence, which takes 8 frames, so 2304"):
            spectra(noise(n_samples))


@pytest.mark.parametrize(
    "given", [(0, 512, 256, 1.0), (16000, 511, 256, 1.0), (16000, 512, 0, 1.0), (16000, 512, 513, 1.0)]
)
def test_bad_parameters(given):
    with pytest.raises(ValueError, match="must be above 0, n_fft even and 0 < hop <= n_fft"):
        CrossSpectra(*given)


@pytest.mark.parametrize("seconds", [0.0, float("inf"), float("nan")])
def test_bad_seconds(seconds):
    with pytest.raises(ValueError, match="must be above 0"):
        CrossSpectra(16000, 512, 256, seconds)


def test_a_segment_of_fewer_than_8_frames_is_refused():
    with pytest.raises(ValueError, match=r"0\.1 s are 6 frames, and a coherence takes 8"):
        CrossSpectra(16000, 512, 256, 0.1)


def test_bands_are_means_and_none_is_empty():
    bands = unit_bands(RATE, N_FFT, 16)
    np.testing.assert_allclose(bands(np.ones((1, 257))), np.ones((16, 1)), rtol=1e-12)
    with pytest.raises(ValueError, match="of 100 mel bands hold no frequency of an FFT of 256 samples"):
        unit_bands(RATE, 256, 100)


@pytest.mark.parametrize("shape", [(2, 100), (3, 1, 100), (3, 100), (0, 2, 100), (1, 2, 0)])
def test_anything_but_two_channels_is_refused(shape):
    with pytest.raises(DataError, match=r"coherence reads a near and a far channel, .* Give it the view 'stereo'"):
        both_channels(np.zeros(shape, np.float32), "coherence")
