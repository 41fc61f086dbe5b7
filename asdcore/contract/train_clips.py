"""The train normals that a trainable encoder learns from: their sound and what is said of them, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class About:
    """What a trainable encoder may know of a train normal besides its sound; "" is what is not given."""

    machine: str
    section: str
    domain: str
    attributes: str


@dataclass(frozen=True)
class ListedClips:
    """Train normals with their sound, as :class:`asdcore.contract.training.TrainClips` asks.

    Arrays are read-only; those of a run are memory-mapped, so any number of clips fits.
    """

    machine: tuple[str, ...]
    section: tuple[str, ...]
    domain: tuple[str, ...]
    attributes: tuple[str, ...]
    sample_rate: int
    n_samples: tuple[int, ...]
    _sound: tuple[Waveform, ...] = field(repr=False)

    @classmethod
    def of(cls, about: Sequence[About], sound: Sequence[Waveform], sample_rate: int) -> ListedClips:
        """Return the train normals of these descriptions and waveforms (n_samples,) or (2, n_samples), in order."""
        for waveform in sound:
            waveform.flags.writeable = False
        return cls(
            tuple(clip.machine for clip in about),
            tuple(clip.section for clip in about),
            tuple(clip.domain for clip in about),
            tuple(clip.attributes for clip in about),
            sample_rate,
            tuple(int(waveform.shape[-1]) for waveform in sound),
            tuple(sound),
        )

    def __len__(self) -> int:
        """Return how many clips there are."""
        return len(self.machine)

    def audio(self, i: int) -> Waveform:
        """Return the waveform of a clip, read-only."""
        return self._sound[i]
