"""The mel powers of two channels in a file: how much louder the near one is than the far one, and how much when calm.

A percentile over time needs all frames of a band. So of a long recording they lie in a file, band by band within each
block, and a few bands at a time are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 1e-12
"""Mel power that is added everywhere, as a part of the clip's loudest."""

AT_ONCE = 1 << 22
"""Values whose percentile is taken at once: 32 MB."""


class SpooledMels:
    """Mel powers of a near and a far channel.

    Parameters
    ----------
    file : binary file
        Empty, and this object's own.

    Attributes
    ----------
    loudest : float
        The largest of all powers.

    Examples
    --------
    >>> import io
    >>> mels = SpooledMels(io.BytesIO())
    >>> mels.append(np.array([[[8.0, 6.0]], [[2.0, 2.0]]]))
    >>> [ratio.round(6).tolist() for ratio in mels.ratios()], mels.calm(0.0).round(6).tolist()
    ([[[4.0], [3.0]]], [3.0])
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._times: list[int] = []
        self._bands = 0
        self.loudest = 0.0

    def append(self, mels: Floats) -> None:
        """Append the powers (2, n_mels, time) of a block."""
        self._file.write(np.ascontiguousarray(mels).tobytes())
        self._bands = mels.shape[1]
        self._times.append(mels.shape[2])
        self.loudest = max(self.loudest, float(mels.max()))

    def ratios(self) -> Iterator[Floats]:
        """Yield near power over far power (time, n_mels), block by block.

        Both have a floor 120 dB below the loudest of all, so that a silent channel is a ratio like any other.
        """
        for block in range(len(self._times)):
            yield self._ratio(block, 0, self._bands)

    def calm(self, percentile: float) -> Floats:
        """Return the percentile of each band's ratio over time, (n_mels,)."""
        at_once = max(1, AT_ONCE // sum(self._times))
        starts = range(0, self._bands, at_once)
        return np.concatenate([self._calm(start, min(start + at_once, self._bands), percentile) for start in starts])

    def _calm(self, start: int, stop: int, percentile: float) -> Floats:
        ratio = np.concatenate([self._ratio(block, start, stop) for block in range(len(self._times))])
        calm: Floats = np.percentile(ratio, percentile, axis=0)
        return calm

    def _ratio(self, block: int, start: int, stop: int) -> Floats:
        """Return the ratios (time, stop - start) of some bands in a block."""
        time, size = self._times[block], np.dtype(np.float64).itemsize
        before = 2 * self._bands * sum(self._times[:block])
        powers = []
        for channel in (0, 1):
            self._file.seek((before + (channel * self._bands + start) * time) * size)
            content = self._file.read((stop - start) * time * size)
            powers.append(np.frombuffer(content).reshape(-1, time).T + LEAST * self.loudest)
        ratio: Floats = np.ascontiguousarray(powers[0] / powers[1])
        return ratio
