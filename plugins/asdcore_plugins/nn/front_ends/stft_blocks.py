"""Short-time spectra of a recording of any length, block by block, and the waveform that changed ones make.

Frames, and the order in which everything is summed, are those of :class:`asdcore_plugins.nn.front_ends.stft.Stft`, so
what comes out is the same bits however many blocks there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.nn.front_ends.sound import Samples, Sound, mirrored
from asdcore_plugins.nn.front_ends.stft import Floats, Spectra, Stft, framed

TOGETHER = 1024
"""Frames of a block: more than a clip of 10 s has at most settings, so that it is one block."""


class BlockSpectra:
    """The short-time spectra of a near and a far channel, as often as they are asked for.

    Parameters
    ----------
    stft : Stft
        Frames and window.
    sound : Sound
        Of two channels.
    """

    def __init__(self, stft: Stft, sound: Sound) -> None:
        self._stft, self._sound = stft, sound
        self.frames = -(-len(sound) // stft.hop) + 1
        self._only: tuple[float, Spectra] | None = None

    def __call__(self, scale: float = 1.0) -> Iterator[Spectra]:
        """Yield blocks (2, time, bins) of the sound times ``scale``. A single block is kept for the next time."""
        if self._only is not None and self._only[0] == scale:
            yield self._only[1]
            return
        for first in range(0, self.frames, TOGETHER):
            spectra = self._block(first, min(first + TOGETHER, self.frames), scale)
            self._only = (scale, spectra) if self.frames <= TOGETHER else None
            yield spectra

    def _block(self, first: int, last: int, scale: float) -> Spectra:
        half, hop = self._stft.n_fft // 2, self._stft.hop
        samples = mirrored(self._sound, first * hop - half, (last - 1) * hop - half + self._stft.n_fft)
        signals = np.array(samples, dtype=np.float64, order="C")
        frames = framed(signals if scale == 1.0 else signals * scale, self._stft.n_fft, hop)
        spectra: Spectra = np.fft.rfft(frames * self._stft.window, axis=-1)
        return spectra

    def waveform(self, blocks: Iterable[Spectra]) -> Iterator[Floats]:
        """Blocks (time, bins), as many frames as the sound has -> blocks of its samples, (n,) each.

        Windowed overlap-add, divided by the squared windows that overlap there.
        """
        n_fft, hop = self._stft.n_fft, self._stft.hop
        square = np.square(self._stft.window)
        # What the next block adds to, as a sum and as a weight.
        total, weight = np.zeros((2, n_fft))
        # The first half of a frame lies before the sound.
        skipped, left, done = n_fft // 2, len(self._sound), 0
        for spectra in blocks:
            frames = np.fft.irfft(spectra, n_fft, axis=-1) * self._stft.window
            done += len(frames)
            total, weight = (np.concatenate([sums, np.zeros((len(frames) - 1) * hop)]) for sums in (total, weight))
            for t, frame in enumerate(frames):
                place = slice(t * hop, t * hop + n_fft)
                total[place] += frame
                weight[place] += square
            ready = len(total) if done == self.frames else len(frames) * hop
            start, stop = min(skipped, ready), min(skipped + left, ready)
            if stop > start:
                yield total[start:stop] / weight[start:stop]
            skipped, left = skipped - start, left - (stop - start)
            total, weight = (np.concatenate([sums[ready:], np.zeros(hop)]) for sums in (total, weight))


def summed(sums: NDArray[Any] | None, terms: NDArray[Any]) -> NDArray[Any]:
    """Add terms (time, ...) one after the other to what those of earlier blocks sum to, None of the first block.

    Examples
    --------
    >>> summed(summed(None, np.ones((2, 3))), np.ones((4, 3)))
    array([6., 6., 6.])
    """
    total: NDArray[Any] = (terms if sums is None else np.concatenate([sums[None], terms])).sum(axis=0)
    return total


AT_ONCE = 1 << 20
"""Samples of a sound that are read at once."""


def loudest(sound: Sound) -> float:
    """Return the largest absolute value of a sound."""
    return max(float(np.abs(samples).max()) for samples in _read(sound))


def silence(sound: Sound) -> Iterator[Floats]:
    """Yield the first channel of a sound as it is, block by block."""
    return (samples[0].astype(np.float64) for samples in _read(sound))


def _read(sound: Sound) -> Iterator[Samples]:
    for start in range(0, len(sound), AT_ONCE):
        yield sound.read(start, min(start + AT_ONCE, len(sound)))


def as_clip(blocks: Iterable[Samples]) -> Samples:
    """Return blocks (..., n) as one array."""
    made = list(blocks)
    return np.concatenate(made, axis=-1) if len(made) > 1 else made[0]
