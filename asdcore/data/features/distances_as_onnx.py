"""Writes distances as ONNX: what :func:`asdcore.data.features.distances.distances` computes for one clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.onnx.onnx_graph import OnnxValue
from asdcore.contract.references import METRICS


def distances_to_onnx(features: OnnxValue, bank: NDArray[np.float32], metric: str = "cosine") -> OnnxValue:
    """Write :func:`asdcore.distances` of one clip, for the ``to_onnx`` of a scorer.

    Parameters
    ----------
    features : OnnxValue
        (1, ...) float64, the clip's features.
    bank : ndarray of float32, shape (n_train, ...)
        Features that the graph then holds.
    metric : {"cosine", "euclidean"}
        As for :func:`asdcore.distances`.

    Returns
    -------
    OnnxValue
        The distances (1, n_train), float64.

    Raises
    ------
    ValueError
        If the metric is another one.

    Examples
    --------
    >>> graph = asdcore.OnnxGraph()
    >>> bank = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    >>> apart = asdcore.distances_to_onnx(graph.constant([[1.0, 0.0]]), bank, "euclidean")
    >>> [node.op_type for node in graph.nodes][-2:]
    ['Sqrt', 'Reshape']
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; allowed are {', '.join(METRICS)}")
    rows = features.graph.constant(bank.reshape(len(bank), -1), np.float32).astype(np.float64)
    clip = features.reshape(1, -1)
    if metric == "euclidean":
        apart = rows - clip
        return (apart * apart).sum(1).op("Sqrt").reshape(1, -1)
    apart = _of_unit_length(rows) - _of_unit_length(clip)
    return (apart * apart).sum(1).reshape(1, -1) / 4.0


def _of_unit_length(rows: OnnxValue) -> OnnxValue:
    """(n, D) -> (n, D + 1): of unit length; a zero vector points along the last axis."""
    length = (rows * rows).sum(1, keepdims=True).op("Sqrt")
    is_zero = (length * 0.0 >= length).astype(np.float64)
    return (rows / (length + is_zero)).op("Concat", is_zero, axis=1)
