"""The base of encoders without weights that hear a recording block by block, however long it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asdcore import DataError, Tokens
from asdcore_plugins.encoders.bases.weightless import LAYER, Audio, WeightlessEncoder
from asdcore_plugins.nn.front_ends.sound import InMemory, Sound


class BlockEncoder(WeightlessEncoder):
    """An encoder without weights that reads sound as it goes. What a child adds: ``name`` and :meth:`blocks`."""

    def encode_blocks(
        self, sound: Sound, layers: Sequence[int | str] = (LAYER,)
    ) -> Iterator[Mapping[int | str, Tokens]]:
        """Yield the tokens of a recording of any length, in the order of time.

        Parameters
        ----------
        sound : Sound
            Its length, and its samples by ``read(start, stop)``.
        layers : sequence
            Layer 0 is the only one.

        Yields
        ------
        dict
            {0: Tokens}, with patches (1, time, band, dim) float32: put together, what ``encode`` gives.

        Raises
        ------
        DataError
            If there is no sound.
        """
        if not len(sound):
            raise DataError("the recording holds no sound to encode")
        for patches in self.blocks(sound):
            yield {layer: Tokens(patches[None]) for layer in layers}

    @abstractmethod
    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield tokens (time, band, dim) float32, one block of time after the other."""

    def patches(self, clip: Audio) -> Audio:
        """(n_samples,) -> (time, band, dim)."""
        blocks = list(self.blocks(InMemory(clip)))
        return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


@dataclass(frozen=True)
class Framing:
    """Frames of ``n_fft`` samples at every ``hop``-th sample, with ``padding`` zeros before and after the sound.

    Blocks begin at whole multiples of ``together`` frames: what is transformed together is the same for any length.
    """

    n_fft: int
    hop: int
    padding: int = 0
    together: int = 2048

    def times(self, n_samples: int) -> int:
        """Return how many frames there are."""
        return max(0, n_samples + 2 * self.padding - self.n_fft) // self.hop + 1

    def blocks(self, sound: Sound, n_samples: int | None = None) -> Iterator[Audio]:
        """Yield the samples that blocks of frames lie in, float32; of the first ``n_samples`` if that is less."""
        length = len(sound) if n_samples is None else n_samples
        for first in range(0, self.times(length), self.together):
            last = min(first + self.together, self.times(length)) - 1
            yield sound.read(first * self.hop - self.padding, last * self.hop - self.padding + self.n_fft)
