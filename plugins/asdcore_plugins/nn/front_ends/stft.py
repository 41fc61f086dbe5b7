"""Short-time spectra: frames, a window, powers, and the way back to a waveform.

Everything is computed in float64, one clip at a time and without matrix products, so that a clip's waveform is the same
bits however many threads there are.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

BLOCK = 32768
"""Samples of frames whose spectra are taken together: 256 kB."""


@functools.cache
def hann(n_fft: int) -> Floats:
    """Return the periodic Hann window (n_fft,), read-only."""
    window: Floats = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    window.flags.writeable = False
    return window


def framed(signals: Floats, n_fft: int, hop: int) -> Floats:
    """(..., n_samples) -> (..., time, n_fft): a frame at every hop-th sample, without padding, as a view."""
    frames: Floats = np.lib.stride_tricks.sliding_window_view(signals, n_fft, axis=-1)[..., ::hop, :]
    return frames


def power(spectra: Spectra) -> Floats:
    """Return the squared magnitudes of spectra."""
    squares: Floats = np.square(spectra.real) + np.square(spectra.imag)
    return squares


def frame_powers(signal: Floats, window: Floats, hop: int) -> Floats:
    """(n_samples,) -> squared magnitudes (time, bins): of a frame at every ``hop``-th sample, without padding.

    Frames are transformed in blocks that fit into a core's cache, which is faster than all at once.

    Examples
    --------
    >>> frame_powers(np.ones(6), np.ones(4), hop=2)
    array([[16.,  0.,  0.],
           [16.,  0.,  0.]])
    """
    frames, bins = framed(signal, len(window), hop), len(window) // 2 + 1
    powers, block = np.empty((len(frames), bins)), min(len(frames), max(1, BLOCK // len(window)))
    shaped, spectra = np.empty((block, len(window))), np.empty((block, bins), np.complex128)
    # Real and imaginary parts are squared side by side, so that nothing is gathered from a stride.
    squares = spectra.view(np.float64)
    for start in range(0, len(frames), block):
        rows = slice(0, min(block, len(frames) - start))
        np.multiply(frames[start : start + block], window, out=shaped[rows])
        np.fft.rfft(shaped[rows], out=spectra[rows])
        np.square(squares[rows], out=squares[rows])
        np.add(squares[rows, ::2], squares[rows, 1::2], out=powers[start : start + block])
    return powers


class Stft:
    """Short-time Fourier transform with a periodic Hann window. ``n_fft`` and ``hop`` are in samples."""

    def __init__(self, n_fft: int, hop: int) -> None:
        if n_fft < 2 or not 0 < hop <= n_fft // 2:
            raise ValueError(f"n_fft must be at least 2 and 0 < hop <= n_fft / 2, got n_fft={n_fft}, hop={hop}")
        self.n_fft, self.hop = n_fft, hop
        self._window = hann(n_fft)

    def spectra(self, signals: Floats) -> Spectra:
        """(2, n_samples) -> (2, time, bins): frames centred at every hop-th sample, the ends reflected.

        The last frame is centred at or beyond the last sample: an end that only the slope of a window covers could not
        be put together again.
        """
        half, beyond = self.n_fft // 2, -signals.shape[1] % self.hop
        padded = np.pad(signals, ((0, 0), (half, self.n_fft - half + beyond)), mode="reflect")
        spectra: Spectra = np.fft.rfft(framed(padded, self.n_fft, self.hop) * self._window, axis=-1)
        return spectra

    def waveform(self, spectra: Spectra, n_samples: int) -> Floats:
        """(time, bins) -> (n_samples,): windowed overlap-add, divided by the squared windows that overlap there."""
        frames = np.fft.irfft(spectra, self.n_fft, axis=-1) * self._window
        total = np.zeros((len(frames) - 1) * self.hop + self.n_fft)
        weight = np.zeros_like(total)
        for t, frame in enumerate(frames):
            place = slice(t * self.hop, t * self.hop + self.n_fft)
            total[place] += frame
            weight[place] += np.square(self._window)
        kept = slice(self.n_fft // 2, self.n_fft // 2 + n_samples)
        samples: Floats = total[kept] / weight[kept]
        return samples


def near_and_far(audio: NDArray[np.float32], view: str, n_samples: int = 1) -> Floats:
    """(2, n_samples) float32 -> the same in float64; raises DataError for other channel counts and shorter clips."""
    if len(audio) != 2:
        raise DataError(
            f"the view {view!r} needs a near and a far channel, but the recording has {len(audio)}. "
            "Use the view 'near' for recordings of one channel."
        )
    if audio.shape[1] < n_samples:
        raise DataError(
            f"the recording ({audio.shape[1]} samples) is shorter than the window of {view!r} ({n_samples})"
        )
    # The order in which numpy sums follows the memory layout; one layout, one result.
    return np.array(audio, dtype=np.float64, order="C")
