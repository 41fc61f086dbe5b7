"""Cuts sound that comes in blocks into windows of equal length; one window and one block of it are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


class Window(NamedTuple):
    """A window: its first sample in the recording, and its sound (n_channels, n_samples)."""

    start: int
    sound: Sound


class Stump(NamedTuple):
    """What is left at the end of a recording, too short for a window: its first sample, and how many there are."""

    start: int
    samples: int


def cut(blocks: Iterable[Sound], length: int, hop: int, start: int = 0) -> Iterator[Window | Stump]:
    """Cut blocks of sound into windows.

    Parameters
    ----------
    blocks : iterable of array, shape (n_channels, any number of samples)
        The sound from ``start`` on, in order.
    length, hop : int
        Samples of a window, and from one window's start to the next one's; ``hop`` is at most ``length``.
    start : int
        The first sample of the blocks, counted in the recording.

    Yields
    ------
    Window or Stump
        Every whole window; at the end a stump, if samples are left that no window holds.
    """
    held: list[Sound] = []
    n = 0
    heard = start  # the end of the last window
    for block in blocks:
        held.append(block)
        n += block.shape[1]
        if n < length:
            continue
        sound = np.concatenate(held, axis=1) if len(held) > 1 else block
        at = 0
        while n - at >= length:
            yield Window(start, sound[:, at : at + length])
            heard = start + length
            at += hop
            start += hop
        held = [sound[:, at:].copy()]
        n -= at
    if start + n > heard:
        yield Stump(heard, start + n - heard)
