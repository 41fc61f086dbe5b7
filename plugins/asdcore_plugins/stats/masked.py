"""Medians and slopes over some of the values of each row, the others masked.

Each row is one bank of train normals, and the mask says which clips the bank holds.
"""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Flags, Floats

VARIES = 1e-12
"""A deviation that is a smaller share of the largest value than this is rounding."""


def medians(values: Floats, counted: Flags) -> Floats:
    """Return the median (b,) of the values of each row (b, n) that are ``counted`` (b, n); nan if none is.

    Examples
    --------
    >>> medians(np.array([[5.0, 1.0, 3.0]]), np.array([[True, False, True]])).tolist()
    [4.0]
    """
    ordered = np.sort(np.where(counted, values, np.inf), axis=1)
    count, row = counted.sum(axis=1), np.arange(len(values))
    middle = (
        ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, len(ordered[0]) - 1)]
    ) / 2.0
    return np.where(count > 0, middle, np.nan)


def slopes(values: Floats, by: Floats, counted: Flags) -> Floats:
    """Return the least-squares slopes Cov(values, by) / Var(by) (b, 1) over the counted places of each row.

    ``values``, ``by`` and ``counted`` are (b, n). The slope is 0 if ``by`` varies by no more than rounding.

    Examples
    --------
    >>> slopes(np.array([[1.0, 3.0, 0.0]]), np.array([[0.0, 1.0, 5.0]]), np.array([[True, True, False]])).tolist()
    [[2.0]]
    """
    count = np.maximum(counted.sum(axis=1, keepdims=True), 1)
    far = np.where(counted, np.abs(by), 0.0).max(axis=1, keepdims=True)
    centred = np.where(counted, by - np.where(counted, by, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
    level = np.where(counted, values, 0.0).sum(axis=1, keepdims=True) / count
    variance = np.square(centred).sum(axis=1, keepdims=True)
    covariance = (centred * np.where(counted, values - level, 0.0)).sum(axis=1, keepdims=True)
    varies = variance > count * np.square(VARIES * far)
    return np.asarray(np.divide(covariance, variance, out=np.zeros_like(variance), where=varies))
