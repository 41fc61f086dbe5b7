"""Squared distances of new clips to a large bank, from products in double precision, each with a bound on its error.

Rows of the bank are converted block by block, so that the bank stays in single precision: a block is multiplied while
it is in cache, and memory is read half as much as of a bank laid out in double precision. For one clip at a time, a
compiled loop converts values where it multiplies them (:mod:`asdcore_plugins.stats.neighbours.compiled_products`).

With m the middle of the bank, |x - y|^2 = |x - m|^2 + |y - m|^2 - 2 (x - m)'y + 2 (x - m)'m. A sum of D products is off
by D u times the sum of their sizes at most, in any order (N. J. Higham, "Accuracy and Stability of Numerical
Algorithms", 2nd ed., 2002, eq. 3.5; u = 2^-53), each other operation by u, and a sum of squares by 40 u, as NumPy sums
in pairs. So with z = |x - m| + |y - m| no square is off by more than

    2 (D + 32) u |x - m| (|y - m| + 2 |m|) + 128 u z^2 + 4 u |m| z.

The last term is there for the cosine alone: so far does rounding move a row that is scaled to unit length. These bounds
include the error of :func:`asdcore.distances`: they are from its values, not from real numbers. Most errors are some
100 times smaller.

Time: n * m * D products; for one clip twice what single precision takes, or the same if compiled. Memory: 8 MiB, and 24
bytes a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.neighbours.compiled_products import CompiledProducts
from asdcore_plugins.stats.neighbours.prepared_rows import Features, prepared

VALUES = 1 << 20
"""Values in a block: 8 MiB, which a processor's last cache holds. Smaller ones keep memory waiting."""

SAMPLED = 1024
"""The most rows whose mean is taken for the middle of the bank."""

FAR_OFF = 16.0
"""In a bank's radii: if its middle is farther from the origin, rows are centred before they are multiplied."""

U = 2.0**-53
"""Half the distance from 1 to the next number: the relative error of one operation."""


class BoundedSquares:
    """The squared distances of clips to a bank; by the cosine, between vectors of unit length.

    Parameters
    ----------
    bank
        (m, D) features, which are not copied and must stay as they are.
    metric
        "cosine" or "euclidean".

    Examples
    --------
    >>> bank = BoundedSquares(np.array([[0.0, 3.0], [4.0, 0.0]], np.float32), "euclidean")
    >>> squares, errors = bank.of(np.zeros((1, 2), np.float32))
    >>> squares.round(12).tolist(), bool((errors < 1e-12).all())
    ([[9.0, 16.0]], True)
    """

    def __init__(self, bank: Features, metric: str) -> None:
        self._bank, self._metric, width = bank, metric, bank.shape[1]
        self._compiled = CompiledProducts(bank)
        self._middle = prepared(bank[:: -(-len(bank) // SAMPLED)], metric).mean(axis=0)
        self._squares, self._lengths, self._is_zero = np.empty(len(bank)), np.ones(len(bank)), np.zeros(len(bank))
        for rows in self._blocks():
            apart = prepared(bank[rows], metric)
            if metric == "cosine":
                self._is_zero[rows] = apart[:, width]
                length = np.sqrt(np.square(bank[rows], dtype=np.float64).sum(axis=1))
                self._lengths[rows] = length + self._is_zero[rows]
            apart -= self._middle
            self._squares[rows] = np.square(apart, out=apart).sum(axis=1)
        self._radii = np.sqrt(self._squares)
        self._off = float(np.sqrt(np.square(self._middle).sum()))
        self._is_far_off = self._off > FAR_OFF * float(np.median(self._radii))

    def of(self, clips: Features) -> tuple[Floats, Floats]:
        """Return the squared distances of clips (n, D) to all rows, and bounds on their errors, (n, m) each."""
        queries = prepared(clips, self._metric) - self._middle
        lengths = np.square(queries).sum(axis=1, keepdims=True)
        squares = self._centred_products(queries) if self._is_far_off else self._products(queries)
        squares *= -2.0
        squares += self._squares
        squares += lengths
        np.maximum(squares, 0.0, out=squares)
        return squares, self._errors(np.sqrt(lengths), queries.shape[1])

    def _errors(self, radii: Floats, width: int) -> Floats:
        """Distances (n, 1) of clips from the middle -> bounds (n, m)."""
        unit, off = 2.0 * (width + 32) * U, 0.0 if self._is_far_off else self._off
        scaled = 4.0 * U * self._off if self._metric == "cosine" else 0.0
        errors = self._radii * (unit * radii + 256.0 * U * radii + scaled)
        errors += 128.0 * U * self._squares
        errors += radii * (2.0 * unit * off + 128.0 * U * radii + scaled)
        return errors

    def _products(self, queries: Floats) -> Floats:
        """Prepared clips (n, D) less the middle -> their products (n, m) with rows less the middle."""
        products = self._compiled.of(queries[:, : self._bank.shape[1]])
        if products is None:
            products = self._multiplied(queries, lambda rows, block: None)
        if self._metric == "cosine":
            products /= self._lengths
            products += self._is_zero * queries[:, -1:]
        products -= (queries @ self._middle)[:, None]
        return products

    def _centred_products(self, queries: Floats) -> Floats:
        """Return the same from rows that are centred first, which takes twice as long."""
        width = self._bank.shape[1]

        def centred(rows: slice, block: Floats) -> None:
            if self._metric == "cosine":
                block /= self._lengths[rows, None]
            block -= self._middle[:width]

        products = self._multiplied(queries, centred)
        if self._metric == "cosine":
            products += (self._is_zero - self._middle[-1]) * queries[:, -1:]
        return products

    def _multiplied(self, queries: Floats, change: Callable[[slice, Floats], None]) -> Floats:
        """Multiply queries with the bank's rows in double precision, each block changed in place before."""
        width, blocks = self._bank.shape[1], list(self._blocks())
        columns = np.ascontiguousarray(queries[:, :width])
        products, converted = np.empty((len(queries), len(self._bank))), np.empty((blocks[0].stop, width))
        for rows in blocks:
            block = converted[: rows.stop - rows.start]
            np.copyto(block, self._bank[rows])
            change(rows, block)
            products[:, rows] = columns @ block.T
        return products

    def _blocks(self) -> Iterator[slice]:
        size = max(1, VALUES // max(1, self._bank.shape[1]))
        return (slice(start, min(start + size, len(self._bank))) for start in range(0, len(self._bank), size))
