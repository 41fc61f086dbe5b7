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
    """Short-time Fourier transform with a periodic Hann window. ``n_fft`` and ``hop`` are in samples.

    Frames are centred at every ``hop``-th sample, the ends mirrored. The last one is centred at or beyond the last
    sample: an end that only the slope of a window covers could not be put together again.
    :class:`asdcore_plugins.nn.front_ends.stft_blocks.BlockSpectra` computes it.
    """

    def __init__(self, n_fft: int, hop: int) -> None:
        if n_fft < 2 or not 0 < hop <= n_fft // 2:
            raise ValueError(f"n_fft must be at least 2 and 0 < hop <= n_fft / 2, got n_fft={n_fft}, hop={hop}")
        self.n_fft, self.hop = n_fft, hop
        self.window = hann(n_fft)


def near_and_far(audio: NDArray[np.float32], view: str, n_samples: int = 1) -> Floats:
    """(2, n_samples) float32 -> the same in float64; raises DataError for other channel counts and shorter clips."""
    check_near_and_far(*audio.shape, view=view, shortest=n_samples)
    # The order in which numpy sums follows the memory layout; one layout, one result.
    return np.array(audio, dtype=np.float64, order="C")


def check_near_and_far(n_channels: int, n_samples: int, *, view: str, shortest: int = 1) -> None:
    """Raise DataError unless there are two channels of ``shortest`` samples or more."""
    if n_channels != 2:
        raise DataError(
            f"the view {view!r} needs a near and a far channel, but the recording has {n_channels}. "
            "Use the view 'near' for recordings of one channel."
        )
    if n_samples < shortest:
        raise DataError(f"the recording ({n_samples} samples) is shorter than the window of {view!r} ({shortest})")
