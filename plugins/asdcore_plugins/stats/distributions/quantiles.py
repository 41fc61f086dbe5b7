"""Quantiles of the rows of an array, each of as many values as it has."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats


def row_quantiles(values: Floats, quantile: float) -> Floats:
    """Return the quantile (n,) of the finite values of each row (n, k); -inf for a row without any.

    Interpolated as numpy.quantile does, to the bit.

    Examples
    --------
    >>> row_quantiles(np.array([[2.0, np.inf, 1.0], [np.inf, np.inf, np.inf]]), 0.5).tolist()
    [1.5, -inf]
    """
    if not values.shape[1]:
        return np.full(len(values), -np.inf)
    ordered, row = np.sort(values, axis=1), np.arange(len(values))
    last = np.isfinite(ordered).sum(axis=1) - 1
    exact = quantile * np.maximum(last, 0)
    place = exact.astype(np.intp)
    lower, upper = (np.where(last >= 0, ordered[row, at], 0.0) for at in (place, np.clip(place + 1, 0, last)))
    part, step = exact - place, upper - lower
    between = np.where(part >= 0.5, upper - step * (1.0 - part), lower + step * part)
    return np.where(last >= 0, between, -np.inf)
