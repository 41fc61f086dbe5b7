"""Cuts a clip into parts, seconds by frequencies, and replaces parts of it by other sound.

A part is replaced in the short-time spectrum of every channel, and the difference is added to the waveform: what lies
outside of the part, but for the width of a window, keeps its samples. If every part is replaced, the clip is the other
sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Parts = NDArray[np.bool_]

WINDOW = 0.064
"""Seconds of the window: parts are told apart as finely as that, and as 1 / WINDOW Hz."""

LOWEST = 100.0
"""Hz where the second band begins, if the sample rate is not below 2 kHz; the first one begins at 0."""

MEDIAN_OF_NOISE = float(np.log(2.0))
"""The median power of noise over its mean power: that of an exponential distribution."""

OCTAVE = 2.0
QUIETEST = 1e-6
"""The background's smallest magnitude: it is never silent, for silence cannot be scored."""


@dataclass(frozen=True)
class Grid:
    """How a clip is cut: the edges (n_times + 1,) in seconds and (n_bands + 1,) in Hz, both rising from 0.

    Examples
    --------
    >>> grid = Grid.of(10.0, 16000, times=5, bands=4)
    >>> grid.seconds, [round(edge) for edge in grid.hertz]
    ((0.0, 2.0, 4.0, 6.0, 8.0, 10.0), [0, 299, 894, 2675, 8000])
    """

    seconds: tuple[float, ...]
    hertz: tuple[float, ...]

    @classmethod
    def of(cls, seconds: float, sample_rate: int, *, times: int, bands: int) -> Grid:
        """Return equal times, and bands of equal width on a logarithmic scale, the first one from 0 Hz on."""
        highest = sample_rate / 2
        edges = np.geomspace(min(LOWEST, highest / 10), highest, bands + 1)
        edges[0] = 0.0
        return cls(tuple(np.linspace(0.0, seconds, times + 1).tolist()), tuple(edges.tolist()))

    @property
    def shape(self) -> tuple[int, int]:
        """How many bands and how many times there are."""
        return len(self.hertz) - 1, len(self.seconds) - 1


class ReplacedParts:
    """A clip of which parts can be replaced.

    Parameters
    ----------
    audio : ndarray of float32, shape (n_channels, n_samples)
        The clip.
    sample_rate : int
        Hz.
    grid : Grid
        How it is cut.
    other : ndarray of float32, shape (n_channels, n_samples), optional
        What a part is replaced by. By default the clip's own background: see :func:`background`.
    """

    def __init__(self, audio: Audio, sample_rate: int, grid: Grid, other: Audio | None = None) -> None:
        from scipy.signal import ShortTimeFFT
        from scipy.signal.windows import hann

        size = 2 * max(8, round(WINDOW * sample_rate / 2))
        self._spectra = ShortTimeFFT(hann(size, sym=False), hop=size // 4, fs=sample_rate)
        self._audio = audio.astype(np.float64)
        # A clip shorter than the window is longer with silence behind it.
        self._padding = max(0, size - audio.shape[1])
        own = self._transformed(self._audio)
        there = background(own, self._spectra.f) if other is None else self._transformed(other.astype(np.float64))
        self._difference = there - own
        n = audio.shape[1] + self._padding
        self._band = np.searchsorted(grid.hertz[1:-1], self._spectra.f, side="right")
        self._time = np.searchsorted(grid.seconds[1:-1], self._spectra.t(n), side="right")

    def __call__(self, parts: Parts) -> Audio:
        """Return the clip (n_channels, n_samples), replaced where ``parts`` (n_bands, n_times) says so."""
        inside = parts[self._band[:, None], self._time]
        n = self._audio.shape[1]
        change = self._spectra.istft(self._difference * inside, 0, n + self._padding)[:, :n]
        return np.asarray(self._audio + change, dtype=np.float32)

    def _transformed(self, audio: NDArray[np.float64]) -> NDArray[np.complex128]:
        padded = np.pad(audio, ((0, 0), (0, self._padding)))
        spectra: NDArray[np.complex128] = self._spectra.stft(padded)
        return spectra


def background(spectra: NDArray[np.complex128], hertz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the spectra (n_channels, n_frequencies, n_frames) of what lies behind the events of a clip.

    Every frequency has its median power over time, corrected to the mean power of noise with this median; and no more
    than the median of the frequencies half an octave below to half an octave above. The phase stays the clip's.
    """
    power = np.median(np.square(np.abs(spectra)), axis=-1) / MEDIAN_OF_NOISE
    low = np.searchsorted(hertz, hertz / np.sqrt(OCTAVE))
    high = np.searchsorted(hertz, hertz * np.sqrt(OCTAVE), side="right")
    around = np.stack([np.median(power[:, a:b], axis=1) for a, b in zip(low, high, strict=True)], axis=1)
    level = np.maximum(np.sqrt(np.minimum(power, around)), QUIETEST)
    phase = np.exp(1j * np.angle(spectra))
    quiet: NDArray[np.complex128] = level[..., None] * phase
    return quiet
