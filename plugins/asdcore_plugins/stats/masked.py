"""Medians and slopes over some of the values of each row, the others masked.

Each row is one bank of train normals, and the mask says which clips the bank holds.
"""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Flags, Floats

VARIES = 1e-12
"""A deviation that is a smaller share of the largest value than this is rounding."""


def medians(values: Floats, counted: Flags) -> Floats:
    """(b, n) -> (b,) median of those of each row that are ``counted`` (b, n); nan where none is."""
    ordered = np.sort(np.where(counted, values, np.inf), axis=1)
    count, row = counted.sum(axis=1), np.arange(len(values))
    middle = (
        ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, len(ordered[0]) - 1)]
    ) / 2.0
    return np.where(count > 0, middle, np.nan)


def slopes(values: Floats, by: Floats, known: Flags) -> Floats:
    """Cov(values, by) / Var(by) (b, 1) over the clips that each bank knows, all (b, n): the least-squares slopes.

    0 where ``by`` does not vary beyond rounding.
    """
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    far = np.where(known, np.abs(by), 0.0).max(axis=1, keepdims=True)
    centred = np.where(known, by - np.where(known, by, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
    level = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / count
    variance = np.square(centred).sum(axis=1, keepdims=True)
    covariance = (centred * np.where(known, values - level, 0.0)).sum(axis=1, keepdims=True)
    varies = variance > count * np.square(VARIES * far)
    return np.asarray(np.divide(covariance, variance, out=np.zeros_like(variance), where=varies))
