"""How long recordings reach views and encoders: block by block, so that an hour takes no more memory than a minute.

A view with ``samplewise = True`` makes each of its samples from the samples of the same time alone; it is then called
with one block of a recording after the other. An encoder with :meth:`InBlocks.encode_blocks` reads a recording as it
goes. With both, a run never holds a long recording; without, it holds all of it, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.tokens import Tokens


class Sound(Protocol):
    """A waveform at an encoder's sample rate, most of it not in memory."""

    def __len__(self) -> int:
        """Return how many samples it has."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the samples from ``start`` to ``stop``; 0 before the first and after the last.

        Returns
        -------
        ndarray of float32, shape (stop - start,)
            Or (2, stop - start) of two channels.
        """
        ...


class InBlocks(Protocol):
    """An encoder that encodes a long recording as it reads it."""

    def encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[Mapping[int | str, Tokens]]:
        """Yield the tokens of one recording, in the order of time.

        Put together along time they are what ``encode`` gives of the whole recording, to the bit. There are no special
        tokens.
        """
        ...
