"""Writes fully connected networks as ONNX, in float64: runtimes multiply matrices in it, unlike convolutions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from asdcore import DataError, OnnxValue


def layers_to_onnx(network: nn.Sequential, rows: OnnxValue) -> OnnxValue:
    """Write what a network in evaluation mode makes of rows (n, inputs) -> (n, outputs).

    Its layers are Linear, BatchNorm1d and ReLU. Weights that float32 holds are kept in it. Raises DataError for another
    layer.

    Examples
    --------
    >>> import asdcore
    >>> graph = asdcore.OnnxGraph()
    >>> out = layers_to_onnx(nn.Sequential(nn.Linear(2, 1), nn.ReLU()), graph.constant(np.ones((3, 2))))
    >>> [node.op_type for node in graph.nodes if node.op_type != "Cast"]
    ['MatMul', 'Add', 'Max']
    """
    for layer in network:
        if isinstance(layer, nn.Linear):
            rows = rows @ _held(rows, layer.weight.T) + _held(rows, layer.bias)
        elif isinstance(layer, nn.BatchNorm1d):
            variance, mean = layer.running_var, layer.running_mean
            assert variance is not None
            assert mean is not None
            scale = layer.weight.double() / torch.sqrt(variance.double() + layer.eps)
            rows = (rows - _held(rows, mean)) * scale.detach().numpy() + _held(rows, layer.bias)
        elif isinstance(layer, nn.ReLU):
            rows = rows.op("Max", 0.0)
        else:
            raise DataError(f"a layer {type(layer).__name__} is none that can be written here")
    return rows


def _held(beside: OnnxValue, values: Tensor) -> OnnxValue:
    """Return weights as a value of the graph, of half the size if float32 holds them."""
    array = values.detach().numpy()
    if np.array_equal(array, array.astype(np.float32)):
        return beside.graph.constant(array, np.float32).astype(np.float64)
    return beside.graph.constant(array)
