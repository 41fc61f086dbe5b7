"""Cuts a clip into parts, seconds by frequencies, and replaces parts of it by other sound.

What a band changes is the difference of both sounds in that band of the short-time spectrum of every channel, as a
waveform. A part of it is faded in and out at its seconds, over the width of a window: what lies outside keeps its
samples. What parts change adds up. If every part is replaced, the clip is the other sound.
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
        spectra = ShortTimeFFT(hann(size, sym=False), hop=size // 4, fs=sample_rate)
        self._audio, n = audio, audio.shape[1]
        # A clip shorter than the window is longer with silence behind it.
        missing = max(0, size - n)
        own, *given = (
            spectra.stft(np.pad(sound.astype(np.float64), ((0, 0), (0, missing))))
            for sound in (audio, *([] if other is None else [other]))
        )
        difference = (given[0] if given else background(own, spectra.f)) - own
        band = np.searchsorted(grid.hertz[1:-1], spectra.f, side="right")
        self._changes = [
            spectra.istft(difference * (band == b)[:, None], 0, n + missing)[:, :n].astype(np.float32)
            for b in range(grid.shape[0])
        ]
        self._gates = _gates(grid, n, sample_rate)

    def __call__(self, parts: Parts) -> Audio:
        """Return the clip (n_channels, n_samples), replaced where ``parts`` (n_bands, n_times) says so."""
        replaced = self._audio.copy()
        for of_band, change in zip(parts, self._changes, strict=True):
            if of_band.any():
                replaced += self._gates[of_band].sum(axis=0) * change
        return replaced


def _gates(grid: Grid, n_samples: int, sample_rate: int) -> Audio:
    """Return what fades each stretch of time in and out, (n_times, n_samples): together they are 1 everywhere."""
    time = np.arange(n_samples) / sample_rate
    edges = np.array(grid.seconds[1:-1])[:, None]
    rise = np.clip((time - edges) / WINDOW + 0.5, 0.0, 1.0)
    begun = np.concatenate([np.ones((1, n_samples)), 0.5 - 0.5 * np.cos(np.pi * rise), np.zeros((1, n_samples))])
    return np.asarray(begun[:-1] - begun[1:], dtype=np.float32)


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
