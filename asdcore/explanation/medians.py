"""Medians over time of what does not fit into memory: exact, by reading it a few times.

The bits of numbers that are not negative are in their order. So the median's bits are found from the highest on: of all
numbers that begin like it, it is counted how many go on in which way, until those that are left fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]
Passes = Callable[[], Iterable[Floats]]
"""Gives the same blocks (..., n_frames) of numbers, none of which is negative, whenever it is called."""

AT_ONCE = 1 << 23
"""Numbers that are kept: 64 MB."""

DIGIT, ALL = 8, 64
"""Bits that are found by one pass, and bits of a number."""


def medians(blocks: Passes, n_rows: int, n_frames: int) -> Floats:
    """Return the median over time (n_rows,) of blocks (n_rows, n_frames of the block).

    It is that of :func:`numpy.median`: of an even number of frames the mean of both in the middle.
    """
    if n_rows * n_frames <= AT_ONCE:
        return np.asarray(np.median(np.concatenate(list(blocks()), axis=-1), axis=-1))
    rank = (n_frames - 1) // 2
    begin, below, inside, n_bits = _begun(blocks, n_rows, n_frames, rank)
    kept, above = _left(blocks, begin, n_bits, keep=n_bits < ALL)
    middle, following = np.empty(n_rows), above
    for row in range(n_rows):
        values = np.sort(kept[row]) if n_bits < ALL else np.full(inside[row], begin[row]).view(np.float64)
        at = rank - below[row]
        middle[row] = values[at]
        following[row] = values[at + 1] if at + 1 < len(values) else above[row]
    return middle if n_frames % 2 else (middle + following) / 2


def _begun(
    blocks: Passes, n_rows: int, n_frames: int, rank: int
) -> tuple[Bits, NDArray[np.intp], NDArray[np.intp], int]:
    """Find how the number of a rank begins in each row.

    Returns its first bits, how many numbers begin lower, how many begin alike, and how many bits that are.
    """
    begin, rows = np.zeros(n_rows, np.uint64), np.arange(n_rows)
    below, inside, n_bits = np.zeros(n_rows, np.intp), np.full(n_rows, n_frames, np.intp), 0
    while n_bits < ALL and inside.sum() > AT_ONCE:
        counts = np.zeros(n_rows << DIGIT, np.intp)
        for block in blocks():
            bits = _first_bits(block, n_bits + DIGIT)
            places = (bits & np.uint64((1 << DIGIT) - 1)).astype(np.intp) + (rows << DIGIT)[:, None]
            alike = (bits >> np.uint64(DIGIT)) == begin[:, None]
            counts += np.bincount(places[alike], minlength=len(counts))
        by_digit = counts.reshape(n_rows, 1 << DIGIT)
        upto = below[:, None] + by_digit.cumsum(axis=1)
        digit = (upto <= rank).sum(axis=1)
        inside = by_digit[rows, digit]
        below = upto[rows, digit] - inside
        begin, n_bits = (begin << np.uint64(DIGIT)) | digit.astype(np.uint64), n_bits + DIGIT
    return begin, below, inside, n_bits


def _left(blocks: Passes, begin: Bits, n_bits: int, *, keep: bool) -> tuple[list[Floats], Floats]:
    """Return the numbers of each row that begin so, if they are kept, and the least of those that begin higher."""
    parts: list[list[Floats]] = [[] for _ in begin]
    above = np.full(len(begin), np.inf)
    for block in blocks():
        bits = _first_bits(block, n_bits)
        above = np.minimum(above, np.where(bits > begin[:, None], block, np.inf).min(axis=1))
        if keep:
            alike = bits == begin[:, None]
            for row in np.flatnonzero(alike.any(axis=1)):
                parts[row].append(block[row, alike[row]])
    return [np.concatenate(part) if part else np.empty(0) for part in parts], above


def _first_bits(numbers: Floats, count: int) -> Bits:
    """Return the first bits of numbers, as whole numbers."""
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    return bits >> np.uint64(ALL - count) if count else np.zeros_like(bits)
