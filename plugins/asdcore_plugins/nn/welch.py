"""Welch's estimate of a power spectral density."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.nn.stft import Floats, framed, hann, power


def density(signals: Floats, sample_rate: float, n_fft: int) -> Floats:
    """Estimate the power spectral density of signals: (..., n_samples) -> (..., n_fft // 2 + 1) in power per Hz.

    The mean of the periodograms of windows that overlap by half, each less its own mean and under a periodic Hann
    window. What is left after the last whole window is not heard. It is what ``scipy.signal.welch`` gives, within
    rounding; importing that takes longer than encoding fifty clips.

    Parameters
    ----------
    signals : (..., n_samples)
        At least one window.
    sample_rate : float
        Hz.
    n_fft : int
        Samples of a window, 2 or more.

    References
    ----------
    P. Welch, "The use of fast Fourier transform for the estimation of power spectra: a method based on time averaging
    over short, modified periodograms", IEEE Trans. Audio Electroacoustics 15, 1967.

    Examples
    --------
    White noise of variance 1 has the power 1 over half the sample rate, of which each window's mean takes a little:

    >>> noise = np.random.default_rng(0).normal(size=160000)
    >>> bool(abs(density(noise, 16000, 256).mean() * 8000 - 1.0) < 0.02)
    True
    """
    window = hann(n_fft)
    frames = framed(signals, n_fft, n_fft - n_fft // 2)
    shaped = frames - frames.mean(axis=-1, keepdims=True)
    shaped *= window
    mean: Floats = power(np.fft.rfft(shaped)).mean(axis=-2) / (sample_rate * np.square(window).sum())
    # One-sided: a frequency and its negative count together. 0 Hz has none, nor has half the sample rate.
    mean[..., 1 : (n_fft + 1) // 2] *= 2.0
    return mean
