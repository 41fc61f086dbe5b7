"""Welch's estimate of a power spectral density."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from asdcore_plugins.nn.front_ends.stft import Floats, framed, hann, power

TOGETHER = 128
"""Windows that are transformed together."""


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
    hop, n_samples = n_fft - n_fft // 2, signals.shape[-1]
    windows = (n_samples - n_fft) // hop + 1
    pieces = (
        signals[..., first * hop : (min(first + TOGETHER, windows) - 1) * hop + n_fft]
        for first in range(0, windows, TOGETHER)
    )
    return density_of_pieces(pieces, sample_rate, n_fft)


def density_of_pieces(pieces: Iterable[Floats], sample_rate: float, n_fft: int) -> Floats:
    """Estimate the density of signals that come in pieces, (..., n_samples), of whole windows.

    A piece begins half a window before the one before it ends. Windows are summed in the order of time, so the result
    is the same bits however long the pieces are.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=1024)
    >>> pieces = [noise[:512], noise[384:]]
    >>> bool((density_of_pieces(pieces, 16000, 256) == density(noise, 16000, 256)).all())
    True
    """
    window, total, windows = hann(n_fft), None, 0
    for piece in pieces:
        frames = framed(piece, n_fft, n_fft - n_fft // 2)
        shaped = frames - frames.mean(axis=-1, keepdims=True)
        shaped *= window
        powers = power(np.fft.rfft(shaped))
        if total is not None:
            powers = np.concatenate([total[..., None, :], powers], axis=-2)
        total = powers.sum(axis=-2)
        windows += frames.shape[-2]
    if total is None:
        raise ValueError("there is no window")
    mean: Floats = total / windows / (sample_rate * np.square(window).sum())
    # One-sided: a frequency and its negative count together. 0 Hz has none, nor has half the sample rate.
    mean[..., 1 : (n_fft + 1) // 2] *= 2.0
    return mean
