"""Keeps a long waveform in a temporary file, of which parts are read: it is never in memory as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from asdcore.compute.encoding.requests import Array
from asdcore.data.recordings.audio import BLOCK, Resampler
from asdcore.store.disk.atomic import disk_trouble


class SpooledSound:
    """A waveform in a file, (n_samples, n_channels) float32, as :class:`asdcore.contract.long_sound.Sound`.

    Parameters
    ----------
    file : binary file
        Empty, and this object's own.
    source, target : int
        The sample rate (Hz) of what is appended, and that of what is kept.
    """

    def __init__(self, file: IO[bytes], source: int, target: int) -> None:
        self._file, self._source, self._target = file, source, target
        self._resamplers: list[Resampler] = []
        self._n_samples, self._axes = 0, 1

    def __len__(self) -> int:
        """Return how many samples it has."""
        return self._n_samples

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_samples,) or (n_channels, n_samples)."""
        return (self._n_samples,) if self._axes == 1 else (len(self._resamplers), self._n_samples)

    def portions(self) -> Iterator[Array]:
        """Yield all samples of the first channel, then those of the second."""
        for channel in range(len(self._resamplers)):
            for start in range(0, self._n_samples, BLOCK):
                yield np.atleast_2d(self.read(start, min(start + BLOCK, self._n_samples)))[channel]

    def append(self, waveform: Array, *, last: bool) -> None:
        """Resample and append a block: (n_samples,) or (n_channels, n_samples)."""
        channels = np.atleast_2d(waveform)
        self._axes = waveform.ndim
        self._resamplers = self._resamplers or [Resampler(self._source, self._target) for _ in channels]
        block = np.stack([to_rate(channel, last) for to_rate, channel in zip(self._resamplers, channels, strict=True)])
        self._file.write(np.ascontiguousarray(block.T).tobytes())
        self._n_samples += block.shape[1]

    def read(self, start: int, stop: int) -> Array:
        """Return samples; 0 beyond the ends."""
        n_channels = len(self._resamplers)
        samples = np.zeros((stop - start, n_channels), np.float32)
        first, last = max(0, start), min(stop, self._n_samples)
        if first < last:
            self._file.seek(first * n_channels * samples.itemsize)
            content = self._file.read((last - first) * n_channels * samples.itemsize)
            samples[first - start : last - start] = np.frombuffer(content, np.float32).reshape(-1, n_channels)
        return np.ascontiguousarray(samples.T) if self._axes == 2 else samples[:, 0]


def temporary_file(folder: str) -> IO[bytes]:
    """Return a file without a name, which is gone when it is closed or its process dies."""
    return tempfile.TemporaryFile(dir=folder)


@contextmanager
def temporary_folder(folder: Path, elsewhere: str) -> Iterator[str]:
    """Yield a folder for temporary files, made if it is not there.

    Raises StoreError if its disk is full; ``elsewhere`` says where else to write to, in words.
    """
    with disk_trouble(folder, elsewhere):
        folder.mkdir(parents=True, exist_ok=True)
        yield str(folder)
