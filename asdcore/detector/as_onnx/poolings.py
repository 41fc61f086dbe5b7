"""Writes poolings as ONNX: patches (time, band, dim) of one clip -> features (1, D).

They are those of :mod:`asdcore.data.features.pooling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from asdcore.contract.onnx.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.data.features.pooling import POOLINGS, clean_up, complete


def pooled(name: str, patches: OnnxValue, special: OnnxValue | None, parameters: Mapping[str, Any]) -> OnnxValue:
    """Pool one clip's patches (time, band, dim), or with ``cls`` its special tokens (n_special, dim).

    Returns features (1, D), of ``frames`` (1, time, band, dim), as float64 that float32 holds. Raises
    NotInOnnxError for ``cls`` if the encoder writes no special tokens.
    """
    choices = complete(name, parameters)
    tokens = patches
    if POOLINGS[name].special:
        if special is None:
            raise NotInOnnxError("pooling 'cls' needs special tokens, and the encoder writes none")
        tokens = special.op("Unsqueeze", special.graph.constant([1], np.int64))
    if choices.pop("clean_up"):
        tokens = clean_up(tokens)  # type: ignore[arg-type, assignment]  # it is elementwise
    pooled = WRITTEN[name](tokens, **choices)
    features = (
        pooled.op("Unsqueeze", pooled.graph.constant([0], np.int64)) if name == "frames" else pooled.reshape(1, -1)
    )
    return features.astype(np.float32).astype(np.float64)


def _mean_std(patches: OnnxValue, level: float = 1.0) -> OnnxValue:
    mean = patches.mean(0, keepdims=True)
    apart = patches - mean
    deviation = (apart * apart).mean(0).op("Sqrt").reshape(-1)
    if level != 1.0:
        mean = mean - (1.0 - level) * mean.mean(1, keepdims=True)
    return mean.reshape(-1).op("Concat", deviation, axis=0)


def _gwrp(patches: OnnxValue, r: float) -> OnnxValue:
    graph, time = patches.graph, patches.op("Shape", start=0, end=1)
    ordered, _ = graph.several(2, "TopK", patches, time, axis=0)
    ranks = graph.constant(0, np.int64).op("Range", time.take(0), graph.constant(1, np.int64))
    return _weighted(ordered, (graph.constant(r) ** ranks.astype(np.float64)).reshape(-1, 1, 1))


def _gem(patches: OnnxValue, p: float) -> OnnxValue:
    return _generalized(patches, None, p)


def _rdp(patches: OnnxValue, gamma: float) -> OnnxValue:
    return _weighted(patches, _deviation_weights(patches, gamma))


def _rdp_gem(patches: OnnxValue, gamma: float, p: float) -> OnnxValue:
    return _generalized(patches, _deviation_weights(patches, gamma), p)


def _deviation_weights(patches: OnnxValue, gamma: float) -> OnnxValue:
    """(time, band, dim) -> (time, band, 1)."""
    apart = patches - patches.mean(0, keepdims=True)
    distance = (apart * apart).sum(2, keepdims=True).op("Sqrt")
    relative = 1.0 + _divided(distance, distance.max(0, keepdims=True))
    return (relative / relative.max(0, keepdims=True)) ** gamma


def _weighted(patches: OnnxValue, weights: OnnxValue | None) -> OnnxValue:
    if weights is None:
        return patches.mean(0)
    return (weights * patches).sum(0) / weights.sum(0)


def _generalized(patches: OnnxValue, weights: OnnxValue | None, p: float) -> OnnxValue:
    positive = patches.op("Max", 0.0)
    largest = positive.max(0, keepdims=True)
    shares = _divided(positive, largest)
    return largest.reshape(-1) * (_weighted(shares**p, weights) ** (1.0 / p)).reshape(-1)


def _divided(x: OnnxValue, y: OnnxValue) -> OnnxValue:
    """x / y, and 0 where y is 0."""
    return x / (y > 0.0).op("Where", y, 1.0)


WRITTEN: dict[str, Callable[..., OnnxValue]] = {
    "cls": lambda patches: patches.mean(0),
    "frames": lambda patches: patches,
    "gem": _gem,
    "gwrp": _gwrp,
    "max": lambda patches: patches.max(0),
    "mean": lambda patches: patches.mean(0),
    "mean_all": lambda patches: patches.mean(0, 1),
    "mean_std": _mean_std,
    "mean_std_level": _mean_std,
    "rdp": _rdp,
    "rdp_gem": _rdp_gem,
}
