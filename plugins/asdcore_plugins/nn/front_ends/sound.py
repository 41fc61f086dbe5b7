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
        """Return the samples (stop - start,) from ``start`` to ``stop``; 0 before the first and after the last."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A clip (n_samples,) in memory.

    Examples
    --------
    >>> InMemory(np.array([1, 2, 3], dtype=np.float32)).read(-1, 2)
    array([0., 1., 2.], dtype=float32)
    """

    clip: Samples

    def __len__(self) -> int:
        return len(self.clip)

    def read(self, start: int, stop: int) -> Samples:
        """Return samples; 0 beyond the ends."""
        if start >= 0 and stop <= len(self.clip):
            return self.clip[start:stop]
        samples = np.zeros(stop - start, self.clip.dtype)
        there = self.clip[max(0, start) : max(0, stop)]
        samples[max(0, -start) : max(0, -start) + len(there)] = there
        return samples
