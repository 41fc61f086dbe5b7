"""Pools the tokens of a long recording, which lie in a file: the same bits as :func:`.pooling.pool` gives.

Every pooling over time treats each column (band, and value of it) or each band by itself, so a few bands at a time are
enough. The mean over time and bands alone goes through all tokens in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.features.pooling import Floats, Floats32, clean_up, complete, pooled, rounded, with_level
from asdcore.errors import DataError

AT_ONCE = 1 << 22
"""Values of tokens that are pooled at once: 32 MB of float64."""


KEPT = 1 << 28
"""Bytes of float32 tokens that a clip may keep."""


class SpooledTokens:
    """Tokens (time, band, dim) of one layer, written block by block into a temporary file and read in parts.

    Parameters
    ----------
    file : binary file
        Empty, and this object's own.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._type = np.dtype(np.float32)
        self.shape: tuple[int, ...] = (0, 0, 0)

    def append(self, patches: NDArray[np.floating[Any]]) -> None:
        """Append a block (time, band, dim); all have the same bands, dim and type."""
        if not self.shape[0]:
            self.shape, self._type = (0, *patches.shape[1:]), patches.dtype
        if patches.shape[1:] != self.shape[1:] or patches.dtype != self._type:
            raise DataError(
                f"the encoder's tokens change from {self.shape[1:]} to {patches.shape[1:]} within a recording"
            )
        self._file.write(np.ascontiguousarray(patches).tobytes())
        self.shape = (self.shape[0] + len(patches), *self.shape[1:])

    def bands(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return (time, stop - start, dim)."""
        part = np.empty((self.shape[0], stop - start, self.shape[2]), self._type)
        done = 0
        for block in self.blocks():
            part[done : done + len(block)] = block[:, start:stop]
            done += len(block)
        return part

    def blocks(self) -> Iterator[NDArray[np.floating[Any]]]:
        """Yield (some time, band, dim), in the order of time."""
        width = self.shape[1] * self.shape[2]
        times = max(1, AT_ONCE // width)
        self._file.seek(0)
        for start in range(0, self.shape[0], times):
            count = min(times, self.shape[0] - start) * width
            values = np.frombuffer(self._file.read(count * self._type.itemsize), self._type)
            yield values.reshape(-1, *self.shape[1:])


def pool_spooled(name: str, tokens: SpooledTokens, *, exact: bool = False, **parameters: Any) -> Floats32:
    """Pool the tokens of a long recording as :func:`asdcore.data.features.pooling.pool` does; ``name`` is not "cls".

    Raises DataError as that does, and if all tokens are to be kept ("frames") and do not fit into :data:`KEPT`.
    """
    return rounded(_pooled(name, tokens, parameters), exact=exact)


def _pooled(name: str, tokens: SpooledTokens, parameters: dict[str, Any]) -> Floats:
    time, bands, dim = tokens.shape
    if name == "mean_all":
        return _mean_all(tokens, parameters)
    if name == "mean_std_level":
        others = complete(name, parameters)
        level = others.pop("level")
        return with_level(_pooled("mean_std", tokens, others), bands, level)
    if name == "frames" and (size := 4 * time * bands * dim) > KEPT:
        raise DataError(
            f"pooling 'frames' would keep {time} frames of it, {size / 1e9:.2f} GB, and at most {KEPT / 1e9:.2f} GB "
            "are kept of a clip. Choose another pooling, or cut the recording into windows (--seconds 10)"
        )
    at_once = max(1, AT_ONCE // max(1, time * dim))
    if at_once >= bands or name == "frames" or not time:
        return pooled(name, tokens.bands(0, bands), **parameters)
    # numpy sums one column alone in another order than several side by side: none is left alone.
    at_once = max(2, at_once)
    starts = list(range(0, bands, at_once))
    if bands - starts[-1] == 1:
        starts.pop()
    stops = [*starts[1:], bands]
    parts = [pooled(name, tokens.bands(start, stop), **parameters) for start, stop in zip(starts, stops, strict=True)]
    if name == "mean_std":
        return np.concatenate(
            [*(part[: len(part) // 2] for part in parts), *(part[len(part) // 2 :] for part in parts)]
        )
    return np.concatenate(parts)


def _mean_all(tokens: SpooledTokens, parameters: dict[str, Any]) -> Floats:
    """Pool over time and bands: numpy's sum over all rows in order, or that of one column by halves of halves."""
    bend = clean_up if complete("mean_all", parameters)["clean_up"] else np.asarray
    rows, dim = tokens.shape[0] * tokens.shape[1], tokens.shape[2]
    blocks = (bend(_checked(block).astype(np.float64).reshape(-1, dim)) for block in tokens.blocks())
    if dim == 1:
        sums = np.array([_by_halves(_Values(blocks), rows)])
    else:
        sums = functools.reduce(
            lambda done, block: np.concatenate([done[None], block]).sum(axis=0), blocks, np.zeros(dim)
        )
    means: Floats = sums / rows
    return means


def _checked(block: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    if bad := int((~np.isfinite(block)).sum()):
        raise DataError(f"the encoder's tokens hold {bad} values that are not finite, so there are no features")
    return block


class _Values:
    """Values in blocks, taken from the front as many at a time as are asked for."""

    def __init__(self, blocks: Iterator[Floats]) -> None:
        self._blocks, self._rest = blocks, np.empty(0)

    def take(self, count: int) -> Floats:
        while len(self._rest) < count:
            self._rest = np.concatenate([self._rest, next(self._blocks).ravel()])
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


def _by_halves(values: _Values, count: int) -> float:
    """Sum values as numpy sums a column: each half by itself, the first one a multiple of eight."""
    if count <= AT_ONCE:
        return float(np.add.reduce(values.take(count)))
    half = count // 2
    half -= half % 8
    return _by_halves(values, half) + _by_halves(values, count - half)
