"""Rounds a value to the grid of a run (:mod:`asdcore.basics.rounding`), so that a decision at the threshold stays.

The threshold is the score of a train normal. Scored again, this very clip must not lie above it by a last bit.
"""

from __future__ import annotations

import numpy as np

from asdcore.basics.rounding import BITS, Grid
from asdcore.contract.onnx.onnx_graph import OnnxValue

SMALLEST = 1e-290
"""A smaller number counts as 0: its exponent could not be told."""


def on_grid(value: OnnxValue, grid: Grid) -> OnnxValue:
    """Round (n,) as ``grid.rounded`` does, but for numbers whose logarithm rounds to another power of two."""
    size = abs(value)
    exponent = (size.op("Max", SMALLEST).op("Log") * (1.0 / np.log(2.0))).op("Floor") + 1.0
    step = exponent - float(BITS)
    if grid.coarsest is not None:
        step = step.op("Min", float(grid.coarsest))
    # No finer than the 53 bits that there are: then nothing is rounded.
    step = step.op("Max", exponent - 52.0)
    unit = value.graph.constant(2.0) ** step
    return (size > SMALLEST).op("Where", (value / unit).op("Round") * unit, value * 0.0)
