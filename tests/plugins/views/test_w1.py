"""W1: what the far channel predicts of the near one is taken away."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RATE, N_FFT, HOP = 16000, 1024, 512


def machine_and_noise(n_samples, seed=0):
    """A machine at the near microphone, and a noise that reaches both through short responses of their own."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / RATE
    machine = 0.02 * sum(np.sin(2 * np.pi * f * time) for f in (220, 660, 1830)) + 0.005 * rng.standard_normal(
        n_samples
    )
    source = 0.2 * rng.standard_normal(n_samples + 200)
    near, far = (rng.standard_normal(32) * np.exp(-np.arange(32) / 6) for _ in range(2))
    far[0] = 4.0
    noise = [np.convolve(source, response)[100 : 100 + n_samples] for response in (near, far)]
    return machine, np.stack([machine + noise[0], noise[1]]).astype(np.float32)


def directly(audio, n_fft=N_FFT, hop=HOP):
    """The formula, frame by frame and bin by bin, with a least-squares solver."""
    n = audio.shape[1]
    peak = np.abs(audio).max()
    scaled = audio.astype(np.float64) * (0.9 / peak)
    last = -(-n // hop)
    window = np.hanning(n_fft + 1)[:-1]
    reflected = np.pad(scaled, ((0, 0), (n_fft // 2, n_fft + hop)), mode="reflect")
    frames = [reflected[:, t * hop : t * hop + n_fft] * window for t in range(last + 1)]
    near, far = (np.array([np.fft.fft(frame[c]) for frame in frames]) for c in (0, 1))
    residual = near.copy()
    for f in range(n_fft):
        gain = np.linalg.lstsq(far[:, [f]], near[:, f], rcond=None)[0]
        residual[:, f] = near[:, f] - far[:, f] * gain
    total, weight = np.zeros(reflected.shape[1]), np.zeros(reflected.shape[1])
    for t, frame in enumerate(residual):
        total[t * hop : t * hop + n_fft] += window * np.fft.ifft(frame).real
        weight[t * hop : t * hop + n_fft] += window**2
    return (total[n_fft // 2 :][:n] / weight[n_fft // 2 :][:n]) * peak / 0.9


@pytest.mark.parametrize(("n_samples", "n_fft", "hop"), [(8192, 1024, 512), (8000, 1024, 512), (3001, 300, 70)])
def test_is_per_bin_least_squares(n_samples, n_fft, hop):
    _, audio = machine_and_noise(n_samples)
    waveform = asdcore.load_view("w1", n_fft=n_fft, hop=hop)(audio, RATE)
    assert waveform.dtype == np.float32
    assert np.abs(waveform - directly(audio, n_fft, hop)).max() < 1e-6


def test_removes_a_noise_that_reaches_both_microphones():
    machine, audio = machine_and_noise(4 * RATE)
    waveform = asdcore.load_view("w1")(audio, RATE)

    def snr(signal):
        return 10 * np.log10(np.mean(machine**2) / np.mean((signal - machine) ** 2))

    assert snr(audio[0]) < -8
    assert snr(waveform) > snr(audio[0]) + 15


def test_residual_does_not_correlate_with_the_far_channel():
    _, audio = machine_and_noise(4 * RATE)
    waveform = asdcore.load_view("w1")(audio, RATE)
    assert abs(np.corrcoef(audio)[0, 1]) > 0.3
    assert abs(np.corrcoef(waveform, audio[1])[0, 1]) < 0.02


def test_near_is_untouched_where_far_is_silent():
    _, audio = machine_and_noise(RATE)
    audio[1] = 0.0
    assert np.allclose(asdcore.load_view("w1")(audio, RATE), audio[0], rtol=1e-6, atol=1e-12)


def test_level_is_kept():
    # Scaled by a power of two, every step is the same but for its exponent.
    _, audio = machine_and_noise(RATE)
    w1 = asdcore.load_view("w1")
    assert np.array_equal(w1(audio / 64, RATE), w1(audio, RATE) / 64)
    loud, quiet = audio.copy(), audio.copy()
    quiet[1] = 0.0
    assert np.std(w1(quiet, RATE)) == pytest.approx(np.std(loud[0]), rel=1e-6)


@pytest.mark.parametrize("beyond", [0, 1, 256, 384, 500, 511])
def test_ends_do_not_blow_up(beyond):
    # For most lengths a frame centred before the end would cover the end with no more than the slope of its window;
    # dividing by that would multiply what the subtraction leaves there by up to 100,000.
    _, audio = machine_and_noise(20 * HOP + beyond)
    waveform = asdcore.load_view("w1")(audio, RATE)
    assert np.abs(waveform).max() < 1.2 * np.abs(audio[0]).max()


def test_silence_stays_silent():
    assert not asdcore.load_view("w1")(np.zeros((2, 2048), np.float32), RATE).any()


def test_same_bits_for_any_number_of_threads(threads):
    w1 = asdcore.load_view("w1")
    for seed in range(5):
        _, audio = machine_and_noise(RATE, seed)
        waveforms = []
        for n in (1, 2):
            with threads(n):
                waveforms.append(w1(audio, RATE))
        assert np.array_equal(*waveforms)


def test_same_bits_in_any_memory_layout_and_input_unchanged():
    _, audio = machine_and_noise(RATE)
    before, w1 = audio.copy(), asdcore.load_view("w1")
    assert np.array_equal(w1(audio, RATE), w1(np.asfortranarray(audio), RATE))
    assert np.array_equal(audio, before)


@pytest.mark.parametrize("channels", [1, 3])
def test_needs_two_channels(channels):
    with pytest.raises(DataError, match=rf"near and a far channel, but the recording has {channels}\. Use .*'near'"):
        asdcore.load_view("w1")(np.zeros((channels, 4096), np.float32), RATE)


def test_shortest_clip_is_one_window():
    _, audio = machine_and_noise(N_FFT)
    assert asdcore.load_view("w1")(audio, RATE).shape == (N_FFT,)
    with pytest.raises(DataError, match=r"1023 samples\) is shorter than the window of 'w1' \(1024\)"):
        asdcore.load_view("w1")(audio[:, :-1], RATE)
    with pytest.raises(DataError, match="0 samples"):
        asdcore.load_view("w1")(audio[:, :0], RATE)


@pytest.mark.parametrize("parameters", [{"n_fft": 1}, {"hop": 0}, {"n_fft": 512, "hop": 257}])
def test_refuses_a_hop_that_leaves_gaps(parameters):
    with pytest.raises(asdcore.PluginError, match="n_fft must be at least 2 and 0 < hop <= n_fft / 2"):
        asdcore.load_view("w1", **parameters)
