"""Rows laid out in single precision, in which products are fast, and how far distances from them may be off.

Rows are centred on the middle of the bank beforehand, so that rounding is small beside their differences, and shrunk by
a power of two to a radius of at most 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.neighbours.prepared_rows import Features, prepared

PREPARED = 1 << 17
"""Values of rows in double precision that are held at once: 1 MiB."""

SAMPLED = 1024
"""The most rows whose mean is taken for the middle of the bank."""

FAR = 1e6
"""In radii of the bank: for a query farther away, single precision is useless, and all rows are measured."""


@dataclass(frozen=True)
class SinglePrecision:
    """A bank in single precision.

    Parameters
    ----------
    middle
        (D,) middle of the prepared rows, in double precision.
    scale
        What rows are multiplied by.
    rows, lengths
        (m, D) rows less the middle, in that scale; (m,) their squared lengths.
    reach
        1, and the length of the middle in that scale.
    """

    middle: Floats
    scale: float
    rows: Floats32
    lengths: Floats32
    reach: float

    def seen(self, queries: Floats) -> tuple[Floats32, Floats]:
        """Return prepared queries (n, D) times -2 in the bank's scale, and how much two approximations may be off.

        The difference of two approximate squared distances is off by no more than the second result (n, 1), inf for a
        query that is too far. A sum of D products is off by at most D eps times the sum of their sizes, in any order.
        Single precision moves a row by eps of its distance from the middle, or by the rounding of double precision.
        """
        reach = np.sqrt(np.square(queries).sum(axis=1, keepdims=True)) * self.scale + self.reach
        drawn = (queries - self.middle) * self.scale
        span = np.sqrt(np.square(drawn).sum(axis=1, keepdims=True)) + 1.0
        eps, fine = np.finfo(np.float32).eps, np.finfo(np.float64).eps
        slack = 2.0 * span * ((drawn.shape[1] + 16) * eps * span + 8.0 * fine * reach)
        too_far = ~(span < FAR)
        return np.where(too_far, 0.0, -2.0 * drawn).astype(np.float32), np.where(too_far, np.inf, slack)


def laid_out(bank: Features, metric: str) -> SinglePrecision:
    """Lay a bank (m, D) out in single precision."""
    # Any middle will do, so that of some rows does.
    middle = prepared(bank[:: -(-len(bank) // SAMPLED)], metric).mean(axis=0)
    scale = _shrinking(1.0 if metric == "cosine" else float(max(bank.max(), -bank.min())))
    drawn, lengths = np.empty((len(bank), len(middle)), np.float32), np.empty(len(bank))
    size = max(1, PREPARED // len(middle))
    for block in (slice(start, start + size) for start in range(0, len(bank), size)):
        rows = prepared(bank[block], metric)
        rows -= middle
        rows *= scale
        drawn[block] = rows
        lengths[block] = np.square(rows, out=rows).sum(axis=1)
    again = _shrinking(float(np.sqrt(lengths.max())))
    drawn *= np.float32(again)
    scale *= again
    reach = 1.0 + scale * float(np.sqrt(np.square(middle).sum()))
    return SinglePrecision(middle, scale, drawn, (lengths * again**2).astype(np.float32), reach)


def _shrinking(largest: float) -> float:
    """Return the power of two that shrinks ``largest`` to between 1/2 and 1; 1 if it is 0."""
    return 2.0 ** -math.ceil(math.log2(largest)) if largest > 0 else 1.0
