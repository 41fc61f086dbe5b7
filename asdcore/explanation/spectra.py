"""Short-time spectra of sound of any length, stretch by stretch: those of the whole, never all in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.long_sound import Sound

Audio = NDArray[np.float32]
Spectra = NDArray[np.complex128]

WINDOW = 0.064
"""Seconds of the window: parts are told apart as finely as that, and as 1 / WINDOW Hz."""

AT_ONCE = 1 << 19
"""Samples, of all channels, whose spectra are in memory at once: 32 bytes for each."""


class ShortTimeSpectra:
    """Spectra of stretches of sound of one length, and the way back.

    A stretch is taken with two windows of what lies around it, and begins at a whole number of hops. So its frames are
    frames of the whole, and every sample of it is the sum of the same frames.

    Parameters
    ----------
    n_samples : int
        The length of the sound. A shorter one than the window is longer with silence behind it.
    channels : int
        How many it has.
    sample_rate : int
        Hz.
    """

    def __init__(self, n_samples: int, channels: int, sample_rate: int) -> None:
        from scipy.signal import ShortTimeFFT
        from scipy.signal.windows import hann

        self._size = 2 * max(8, round(WINDOW * sample_rate / 2))
        self._transform = ShortTimeFFT(hann(self._size, sym=False), hop=self._size // 4, fs=sample_rate)
        self._length = max(n_samples, self._size)
        self.block = max(4 * self._size, AT_ONCE // channels)

    @property
    def hertz(self) -> NDArray[np.float64]:
        """The frequencies (n_frequencies,)."""
        hertz: NDArray[np.float64] = self._transform.f
        return hertz

    @property
    def n_frames(self) -> int:
        """How many frames the whole has."""
        return int(self._transform.p_num(self._length))

    def of(self, sound: Sound, start: int, stop: int) -> Spectra:
        """Return (n_channels, n_frequencies, n_frames) of the stretch from ``start`` to ``stop`` with its margins."""
        return self._of(sound, *self._around(start, stop))

    def back(self, spectra: Spectra, start: int, stop: int) -> Audio:
        """Return the samples (n_channels, stop - start) of the spectra that :meth:`of` gives of that stretch."""
        first, last = self._around(start, stop)
        samples = self._transform.istft(spectra, 0, last - first)
        return np.asarray(samples[:, start - first : stop - first], dtype=np.float32)

    def frames(self, sound: Sound) -> Iterator[Spectra]:
        """Yield all frames of a sound, each once, in the order of time."""
        hop, transform = self._size // 4, self._transform
        end, step = int(transform.p_max(self._length)), self.block // hop
        for begin in range(int(transform.p_min), end, step):
            until = min(end, begin + step)
            first, last = max(0, begin * hop - self._size) // hop * hop, min(self._length, until * hop + self._size)
            yield self._of(sound, first, last, begin - first // hop, until - first // hop)

    def _around(self, start: int, stop: int) -> tuple[int, int]:
        hop = self._size // 4
        return max(0, start - 2 * self._size) // hop * hop, min(self._length, stop + 2 * self._size)

    def _of(self, sound: Sound, first: int, last: int, begin: int | None = None, until: int | None = None) -> Spectra:
        spectra: Spectra = self._transform.stft(sound.read(first, last).astype(np.float64), begin, until)
        return spectra
