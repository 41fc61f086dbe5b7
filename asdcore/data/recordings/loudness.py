"""How loud a recording is: its level in dB of full scale, taken block by block while it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.recordings.sound_digest import FULL_SCALE

ROWS = 1 << 16
"""Samples of each channel that are squared at once, which bounds the memory of their copy."""


class Loudness:
    """The level of a recording so far.

    Examples
    --------
    >>> heard = Loudness()
    >>> heard.hear(np.array([[0.5, -0.5], [-0.5, 0.5]], np.float32))
    >>> heard.decibels
    -6.02
    """

    def __init__(self) -> None:
        self._energy, self._samples = 0.0, 0

    def hear(self, block: NDArray[Any]) -> None:
        """Take in the next samples, of any shape: int16, or float32 in [-1, 1]."""
        scale = FULL_SCALE if block.dtype == np.int16 else 1.0
        for start in range(0, len(block), ROWS):
            part = block[start : start + ROWS].astype(np.float64).ravel()
            self._energy += float(part @ part) / scale**2
        self._samples += block.size

    @property
    def decibels(self) -> float | None:
        """The mean power of all channels in dB of a constant 1, to 0.01 dB; None of silence, or if it is not finite."""
        power = self._energy / max(self._samples, 1)
        return round(10 * float(np.log10(power)), 2) if 0 < power < np.inf else None
