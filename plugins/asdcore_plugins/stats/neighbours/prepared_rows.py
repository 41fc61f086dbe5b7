"""Rows as the search compares them: Euclidean distances between them give the metric."""

from __future__ import annotations

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.stats.arrays import Floats, Floats32

Features = Floats32 | Floats


def prepared(features: Features, metric: str) -> Floats:
    """Return rows in double precision: (n, D), or (n, D + 1) of unit length for the cosine.

    Examples
    --------
    A zero vector points along the last axis, so that it has the cosine 0 with all others:

    >>> prepared(np.array([[3.0, 4.0], [0.0, 0.0]]), "cosine").tolist()
    [[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]
    """
    if metric == "euclidean":
        return np.array(features, dtype=np.float64, order="C")
    rows = np.empty((len(features), features.shape[1] + 1))
    values = rows[:, :-1]
    values[:] = features
    length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    np.divide(values, length, out=values, where=length > 0)
    rows[:, -1:] = length == 0
    return rows


def prepared_to_onnx(rows: OnnxValue, metric: str) -> OnnxValue:
    """Write :func:`prepared`: (n, D) -> (n, D), or (n, D + 1)."""
    if metric == "euclidean":
        return rows
    length = (rows * rows).sum(1, keepdims=True).op("Sqrt")
    is_zero = (length <= 0.0).astype(np.float64)
    return (rows / (length + is_zero)).op("Concat", is_zero, axis=1)
