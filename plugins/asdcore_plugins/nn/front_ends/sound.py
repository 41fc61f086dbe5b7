"""Sound that is read piece by piece: long recordings come so from the framework, clips from memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class Sound(Protocol):
    """A waveform of any length."""

    def __len__(self) -> int:
        """Return how many samples it has."""
        ...

    def read(self, start: int, stop: int) -> Samples:
        """Return the samples (stop - start,) from ``start`` to ``stop``; 0 before the first and after the last.

        Of several channels they are (n_channels, stop - start).
        """
        ...


@dataclass(frozen=True)
class InMemory:
    """A clip (n_samples,) or (n_channels, n_samples) in memory.

    Examples
    --------
    >>> InMemory(np.array([1, 2, 3], dtype=np.float32)).read(-1, 2)
    array([0., 1., 2.], dtype=float32)
    """

    clip: Samples

    def __len__(self) -> int:
        return int(self.clip.shape[-1])

    def read(self, start: int, stop: int) -> Samples:
        """Return samples; 0 beyond the ends."""
        if start >= 0 and stop <= len(self):
            return self.clip[..., start:stop]
        samples = np.zeros((*self.clip.shape[:-1], stop - start), self.clip.dtype)
        there = self.clip[..., max(0, start) : max(0, stop)]
        samples[..., max(0, -start) : max(0, -start) + there.shape[-1]] = there
        return samples


def mirrored(sound: Sound, start: int, stop: int) -> Samples:
    """Return the samples from ``start`` to ``stop``, the sound mirrored at its first and its last sample.

    Examples
    --------
    >>> mirrored(InMemory(np.array([1, 2, 3], dtype=np.float32)), -2, 5)
    array([3., 2., 1., 2., 3., 2., 1.], dtype=float32)
    """
    n_samples = len(sound)
    if start >= 0 and stop <= n_samples:
        return sound.read(start, stop)
    if n_samples == 1:
        return np.repeat(sound.read(0, 1), stop - start, axis=-1)
    places = np.arange(start, stop) % (2 * n_samples - 2)
    places = np.minimum(places, 2 * n_samples - 2 - places)
    first = int(places.min())
    return sound.read(first, int(places.max()) + 1)[..., places - first]
