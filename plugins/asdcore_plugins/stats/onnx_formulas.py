"""Writes formulas of components as ONNX.

Values of a graph (:class:`asdcore.OnnxValue`) take arithmetic and NumPy's elementwise functions. So a formula of these
alone is written by calling it with such values: there is no second one that could differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.stats.arrays import Indices


def written(formula: Callable[..., Any], *values: Any) -> OnnxValue:
    """Call an elementwise formula with values of a graph in place of arrays; return the value it gives."""
    made = formula(*values)
    assert isinstance(made, OnnxValue)
    return made


def log_sum_exp(values: OnnxValue) -> OnnxValue:
    """(n,) -> log of the sum of their exponentials (1,), without overflow."""
    largest = values.max(0, keepdims=True)
    return largest + (values - largest).op("Exp").sum(0, keepdims=True).op("Log")


def mean_smallest(values: OnnxValue, members: Indices, k: int) -> OnnxValue:
    """(1, n) -> (1,): the mean of the k smallest of some columns, of all if there are fewer."""
    chosen = values.take(members, axis=1)
    if (k := min(k, len(members))) == 1:
        return chosen.min(1)
    return smallest(chosen, k)[0].mean(1)


def smallest(values: OnnxValue, k: int) -> tuple[OnnxValue, OnnxValue]:
    """(1, n) -> the k smallest (1, k), the smallest first, and their columns: of equal ones the first comes first."""
    graph = values.graph
    least, columns = graph.several(2, "TopK", values, graph.constant([k], np.int64), axis=1, largest=0)
    return least, columns
