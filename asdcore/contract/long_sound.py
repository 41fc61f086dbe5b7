"""How long recordings reach views and encoders: block by block, so that an hour takes no more memory than a minute.

A view with ``samplewise = True`` makes each of its samples from the samples of the same time alone; it is then called
with one block of a recording after the other. A view with :meth:`ViewInBlocks.hear_blocks`, and an encoder with
:meth:`InBlocks.encode_blocks`, read a recording as they go, and as often as they need. So a run never holds a long
recording. Any other view or encoder is given all of it, and only if it is short enough
(:mod:`asdcore.compute.encoding.held_whole`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.tokens import Tokens


class Sound(Protocol):
    """A recording, or a waveform at an encoder's sample rate, most of it not in memory."""

    def __len__(self) -> int:
        """Return how many samples it has."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the samples from ``start`` to ``stop``; 0 before the first and after the last.

        Returns
        -------
        ndarray of float32, shape (stop - start,)
            Or (n_channels, stop - start) of a recording, and of the two channels that a view gives.
        """
        ...


class ViewInBlocks(Protocol):
    """A view that hears a long recording as it reads it."""

    def hear_blocks(
        self, sound: Sound, sample_rate: int, temporary: Callable[[], IO[bytes]]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the view's waveform (n,), or (2, n) if ``channels`` is 2, in the order of time.

        Put together along time it is what a call gives of the whole recording, to the bit. ``temporary()`` opens an
        empty file for what would not fit into memory; it is gone when it is closed.
        """
        ...


class InBlocks(Protocol):
    """An encoder that encodes a long recording as it reads it."""

    def encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[Mapping[int | str, Tokens]]:
        """Yield the tokens of one recording, in the order of time.

        Put together along time they are what ``encode`` gives of the whole recording, to the bit. Special tokens, which
        are those of the whole recording, come once, with whichever block.
        """
        ...
