"""Computes the distances between clips: one matrix that all distance scorers of a feature set share.

A distance is summed from the differences of two clips' features, not from their products. So near-duplicates lose no
digits, equal clips are at exactly 0, and a value is the same to the last bit whatever other clips, threads or banks are
around. That takes as long as one matrix-vector product for each query, which is bound by memory, too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.references import METRICS
from asdcore.errors import DataError

Floats = NDArray[np.float64]
Bank = NDArray[Any]

DISTANCE_BYTES = 200_000_000
"""Bytes that one matrix of distances may take; of a larger bank, distances are measured where they are needed."""

IN_CACHE = 1 << 15
"""Numbers in a block of the bank that each query is compared with: it and the differences stay in a core's cache."""


def distances(features: NDArray[np.float32], bank: NDArray[np.float32], metric: str = "cosine") -> Floats:
    """Compute the distance of every clip to every clip of a bank.

    Costs n_clips * n_train * D subtractions and squares, with D values in a clip.

    Parameters
    ----------
    features : ndarray of float32, shape (n_clips, ...)
        Features of the clips; the axes after the first are flattened.
    bank : ndarray of float32, shape (n_train, ...)
        Features of the train normals. Passing the same array twice takes half the time.
    metric : {"cosine", "euclidean"}
        "cosine" is half of one minus the cosine similarity, in [0, 1]; a zero vector has distance 0 from another zero
        vector and 1/2 from all others. "euclidean" is in the units of the features.

    Returns
    -------
    ndarray of float64, shape (n_clips, n_train)
        The distances.

    Raises
    ------
    ValueError
        If the metric is another one.
    DataError
        If the clips and the bank differ in size.

    Examples
    --------
    >>> clips = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    >>> asdcore.distances(clips, clips).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    >>> asdcore.distances(clips, clips, metric="euclidean").round(3).tolist()
    [[0.0, 2.236], [2.236, 0.0]]

    """
    _check_metric(metric)
    _check_sizes(math.prod(features.shape[1:]), math.prod(bank.shape[1:]))
    if features is bank:
        return _rooted(_squares_within(prepared(bank, metric)), metric)
    # Block by block: few queries would wait for a copy of a large bank in float64.
    return _rooted(_squares(prepared(features, metric), bank, metric), metric)


class PreparedBank:
    """Train normals laid out once, for clips that come one by one: :func:`distances` would convert them for each.

    For the cosine that takes three times as long as to compare. Memory: 8 bytes for each value of the bank.

    Parameters
    ----------
    bank : ndarray of float32, shape (n_train, ...)
        Features of the train normals; the axes after the first are flattened.
    metric : {"cosine", "euclidean"}
        As for :func:`distances`.

    Raises
    ------
    ValueError
        If the metric is another one.

    Examples
    --------
    >>> bank = asdcore.PreparedBank(np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32))
    >>> bank.distances(np.array([[3.0, 0.0]], dtype=np.float32)).tolist()
    [[0.0, 0.5]]
    """

    def __init__(self, bank: NDArray[np.float32], metric: str = "cosine") -> None:
        _check_metric(metric)
        self._metric, self._rows = metric, prepared(bank, metric)

    def distances(self, features: NDArray[np.float32]) -> Floats:
        """Compute the distance of every clip to every train normal: the bits of :func:`distances`.

        Parameters
        ----------
        features : ndarray of float32, shape (n_clips, ...)
            Features of the clips.

        Returns
        -------
        ndarray of float64, shape (n_clips, n_train)
            The distances.

        Raises
        ------
        DataError
            If the clips and the bank differ in size.
        """
        rows, added = prepared(features, self._metric), int(self._metric == "cosine")
        _check_sizes(rows.shape[1] - added, self._rows.shape[1] - added)
        return _rooted(_squares(rows, self._rows, None), self._metric)


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")


def _check_sizes(of_clip: int, of_bank: int) -> None:
    if of_clip != of_bank:
        raise DataError(
            f"features of {of_clip} values a clip cannot be compared with train normals of {of_bank}. Clips of "
            "different lengths need a pooling other than 'frames'."
        )


def _rooted(squares: Floats, metric: str) -> Floats:
    return squares / 4.0 if metric == "cosine" else np.sqrt(squares, out=squares)


def prepared(features: NDArray[np.float32], metric: str) -> Floats:
    """Flatten to (n_clips, D) float64; for the cosine metric (n_clips, D + 1), of unit length.

    Half of 1 - cosine is then a quarter of the squared distance. A zero vector points along the last axis.
    """
    flat = features.reshape(len(features), math.prod(features.shape[1:]))
    return _prepared_into(np.empty((len(flat), flat.shape[1] + (metric == "cosine"))), flat, metric)


def _prepared_into(rows: Floats, features: Bank, metric: str) -> Floats:
    """Prepare features (n, D), into rows that are there."""
    if metric == "euclidean":
        np.copyto(rows, features)
        return rows
    values = rows[:, :-1]
    np.copyto(values, features)
    # The order in which numpy sums follows the memory layout; squares have one layout, whatever the features have.
    length = np.sqrt(np.square(values, order="C").sum(axis=1, keepdims=True))
    # A zero vector stays as it is. A division only where lengths are positive takes far longer.
    np.divide(values, np.where(length > 0, length, 1.0), out=values)
    np.equal(length, 0, out=rows[:, -1:])
    return rows


def _squares(queries: Floats, bank: Bank, metric: str | None) -> Floats:
    """(n, D), (m, ...) -> squared distances (n, m) of prepared queries to a bank; None: it is prepared, too."""
    width = queries.shape[1]
    size = IN_CACHE * (2 if len(queries) == 1 else 1)  # of one query nothing is read again
    squares, rows = np.empty((len(queries), len(bank))), bank.reshape(len(bank), math.prod(bank.shape[1:]))
    blocks = _blocks(len(bank), width, size)
    ready, difference = (_scratch(blocks[0].stop if blocks else 0, width) for _ in range(2))
    for block in blocks:
        size = block.stop - block.start
        normals, apart = rows[block], difference[:size]
        if metric is not None:
            normals = _prepared_into(ready[:size], normals, metric)
        for i, query in enumerate(queries):
            _squares_to(query, normals, apart, squares[i, block])
    return squares


def _squares_within(bank: Floats) -> Floats:
    """(m, D) -> squared distances (m, m); a difference and its negative have the same square, so half are enough."""
    squares = np.zeros((len(bank), len(bank)))
    blocks = _blocks(*bank.shape)
    difference = _scratch(blocks[0].stop if blocks else 0, bank.shape[1])
    for rows in blocks:
        normals, apart = bank[rows], difference[: rows.stop - rows.start]
        for i in range(rows.stop):
            _squares_to(bank[i], normals, apart, squares[i, rows])
        squares[rows, : rows.start] = squares[: rows.start, rows].T
    return squares


def _squares_to(query: Floats, rows: Floats, apart: Floats, squares: Floats) -> None:
    """Write the squared distances of one query to some rows; ``apart`` holds their differences meanwhile."""
    np.subtract(rows, query, out=apart)
    np.square(apart, out=apart)
    np.add.reduce(apart, axis=1, out=squares)


def _scratch(n: int, width: int) -> Floats:
    """Return an array (n, width) that begins with a cache line: writing across two takes half as long again."""
    line = 64 // 8
    buffer = np.empty(n * width + line)
    start = -(buffer.ctypes.data // 8) % line
    return buffer[start : start + n * width].reshape(n, width)


def _blocks(n: int, width: int, numbers: int = IN_CACHE) -> list[slice]:
    """Cut n rows into blocks of so many numbers, which stay in cache while every query meets them."""
    size = max(1, numbers // max(1, width))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
