"""Cuts a clip into parts, seconds by frequencies, and replaces parts of it by other sound.

What a band changes is the difference of both sounds in that band of the short-time spectrum of every channel, as a
waveform. A part of it is faded in and out at its seconds, over the width of a window: what lies outside keeps its
samples. What parts change adds up. If every part is replaced, the clip is the other sound.

Nothing is computed before it is read, and then a stretch at a time: the clip may have any length.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.long_sound import Sound
from asdcore.explanation.medians import medians
from asdcore.explanation.spectra import WINDOW, ShortTimeSpectra, Spectra

Audio = NDArray[np.float32]
Parts = NDArray[np.bool_]

LOWEST = 100.0
"""Hz where the second band begins, if the sample rate is not below 2 kHz; the first one begins at 0."""

MEDIAN_OF_NOISE = float(np.log(2.0))
"""The median power of noise over its mean power: that of an exponential distribution."""

OCTAVE = 2.0
CHANGES = 1 << 27
"""Bytes of changes that are kept, to be read again."""

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
    clip : Sound
        The clip, (n_channels, n_samples).
    sample_rate : int
        Hz.
    grid : Grid
        How it is cut.
    other : Sound, optional
        What a part is replaced by, as long and of as many channels. By default the clip's own background: see
        :func:`background_level`.
    """

    def __init__(self, clip: Sound, sample_rate: int, grid: Grid, other: Sound | None = None) -> None:
        self.clip, self.grid, self.sample_rate = clip, grid, sample_rate
        self._other, channels = other, len(clip.read(0, 0))
        self._spectra = ShortTimeSpectra(len(clip), channels, sample_rate)
        self._band = np.searchsorted(grid.hertz[1:-1], self._spectra.hertz, side="right")
        self._level = None if other else _level(self._spectra, clip, channels)
        self._changes: OrderedDict[tuple[int, int], Audio] = OrderedDict()
        self._latest: tuple[int, list[Spectra]] = (-1, [])

    def __call__(self, parts: Parts) -> ReplacedSound:
        """Return the clip, replaced where ``parts`` (n_bands, n_times) says so."""
        return ReplacedSound(self, parts)

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the stretches in which changes are computed that meet samples: their number, start and stop."""
        size, first, last = self._spectra.block, max(0, start), min(stop, len(self.clip))
        for number in range(first // size, -(-last // size) if first < last else 0):
            yield number, number * size, min((number + 1) * size, len(self.clip))

    def change(self, block: tuple[int, int, int], band: int) -> Audio:
        """Return what the other sound changes in a band of a stretch, (n_channels, n_samples)."""
        number, start, stop = block
        if (number, band) in self._changes:
            self._changes.move_to_end((number, band))
            return self._changes[number, band]
        if self._latest[0] != number:
            sounds = [self.clip] if self._other is None else [self.clip, self._other]
            self._latest = number, [self._spectra.of(sound, start, stop) for sound in sounds]
        own, *other = self._latest[1]
        rows = np.flatnonzero(self._band == band)
        of_band = np.zeros_like(own)
        of_band[:, rows] = (other[0][:, rows] if other else self._quiet(own, rows)) - own[:, rows]
        change = self._changes[number, band] = self._spectra.back(of_band, start, stop)
        while len(self._changes) > 1 and len(self._changes) * change.nbytes > CHANGES:
            self._changes.popitem(last=False)
        return change

    def _quiet(self, own: Spectra, rows: NDArray[np.intp]) -> Spectra:
        """Return the background in some rows: their level, with the clip's phase."""
        phase = np.exp(1j * np.angle(own[:, rows]))
        quiet: Spectra = self._level[:, rows, None] * phase  # type: ignore[index]
        return quiet


@dataclass(frozen=True)
class ReplacedSound:
    """A clip with parts (n_bands, n_times) replaced, computed as it is read."""

    replaced: ReplacedParts
    parts: Parts

    def __len__(self) -> int:
        """Return how many samples it has."""
        return len(self.replaced.clip)

    def read(self, start: int, stop: int) -> Audio:
        """Return (n_channels, stop - start); 0 beyond the ends."""
        sound = self.replaced.clip.read(start, stop).copy()
        for block in self.replaced.blocks(start, stop):
            first, last = max(start, block[1]), min(stop, block[2])
            within = slice(first - block[1], last - block[1])
            for band in np.flatnonzero(self.parts.any(axis=1)):
                gate = _gate(
                    self.replaced.grid, np.flatnonzero(self.parts[band]), first, last, self.replaced.sample_rate
                )
                if gate.any():
                    sound[:, first - start : last - start] += gate * self.replaced.change(block, int(band))[:, within]
        return sound


def _gate(grid: Grid, times: NDArray[np.intp], start: int, stop: int, sample_rate: int) -> Audio:
    """Return what fades stretches of time in and out, (stop - start,): of all together it is 1 everywhere."""
    gate = np.zeros(stop - start, np.float32)
    for time in times:
        low, high = grid.seconds[time], grid.seconds[time + 1]
        first = max(start, int((low - WINDOW) * sample_rate)) if time else start
        last = min(stop, int((high + WINDOW) * sample_rate) + 1) if time + 2 < len(grid.seconds) else stop
        if first < last:
            seconds = np.arange(first, last) / sample_rate
            after = _begun(seconds, high) if time + 2 < len(grid.seconds) else 0.0
            gate[first - start : last - start] += np.asarray(
                (_begun(seconds, low) if time else 1.0) - after, dtype=np.float32
            )
    return gate


def _begun(seconds: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    """Return 0 before an edge and 1 after it, faded over the width of a window."""
    rise = np.clip((seconds - edge) / WINDOW + 0.5, 0.0, 1.0)
    begun: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * rise)
    return begun


def _level(spectra: ShortTimeSpectra, clip: Sound, channels: int) -> NDArray[np.float64]:
    """Return the level (n_channels, n_frequencies) of what lies behind the events of a clip."""
    shape = (channels, len(spectra.hertz))

    def powers() -> Iterator[NDArray[np.float64]]:
        for frames in spectra.frames(clip):
            yield np.square(np.abs(frames)).reshape(-1, frames.shape[-1])

    return background_level(medians(powers, shape[0] * shape[1], spectra.n_frames).reshape(shape), spectra.hertz)


def background_level(median: NDArray[np.float64], hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the magnitudes (n_channels, n_frequencies) of what lies behind the events of a clip.

    Every frequency has its ``median`` power over time, corrected to the mean power of noise with this median; and no
    more than the median of the frequencies half an octave below to half an octave above. The phase stays the clip's.
    """
    power = median / MEDIAN_OF_NOISE
    low = np.searchsorted(hertz, hertz / np.sqrt(OCTAVE))
    high = np.searchsorted(hertz, hertz * np.sqrt(OCTAVE), side="right")
    around = np.stack([np.median(power[:, a:b], axis=1) for a, b in zip(low, high, strict=True)], axis=1)
    return np.maximum(np.sqrt(np.minimum(power, around)), QUIETEST)
