"""Curves over time that are made block by block and read one by one: of a long recording, by way of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

import numpy as np

from asdcore_plugins.nn.front_ends.stft import Floats

IN_MEMORY = 1 << 22
"""Values that are held in memory; more go into a temporary file."""


class Envelopes:
    """``n_bands`` curves of ``times`` values.

    Examples
    --------
    >>> with Envelopes(times=3, n_bands=2) as envelopes:
    ...     envelopes.write(np.array([[1.0, 2.0], [4.0, 5.0]]))
    ...     envelopes.write(np.array([[3.0], [6.0]]))
    ...     [curve.tolist() for curve in envelopes]
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """

    def __init__(self, times: int, n_bands: int) -> None:
        self._times, self._n_bands, self._written = times, n_bands, 0
        self._file: IO[bytes] | None = None
        self._curves: Floats | None = np.empty((n_bands, times)) if times * n_bands <= IN_MEMORY else None

    def __enter__(self) -> Self:
        if self._curves is None:
            self._file = tempfile.TemporaryFile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, block: Floats) -> None:
        """Append a block of time, (n_bands, times of the block)."""
        stop = self._written + block.shape[1]
        if self._curves is not None:
            self._curves[:, self._written : stop] = block
        elif self._file is not None:
            for band, values in enumerate(block):
                self._file.seek((band * self._times + self._written) * 8)
                self._file.write(np.ascontiguousarray(values).tobytes())
        self._written = stop

    def __iter__(self) -> Iterator[Floats]:
        """Yield curve after curve, (times,)."""
        for band in range(self._n_bands):
            if self._curves is not None:
                yield self._curves[band]
            elif self._file is not None:
                self._file.seek(band * self._times * 8)
                yield np.frombuffer(self._file.read(self._times * 8))
