"""How functions of NumPy and SciPy are written as ONNX, of an :class:`~asdcore.contract.onnx.onnx_graph.OnnxValue`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from asdcore.contract.onnx.onnx_quantiles import arctan2, normal_quantile, normal_quantile_of_log, tangent


def _logaddexp(x: Any, y: Any) -> Any:
    """log(exp x + exp y), without overflow."""
    larger = x.op("Max", y)
    return larger + ((x - larger).op("Exp") + (y - larger).op("Exp")).op("Log")


def _log1p(x: Any) -> Any:
    return (x + 1.0).op("Log")


def _arcsinh(x: Any) -> Any:
    """sign(x) log(|x| + sqrt(x^2 + 1)): the operator of ONNX takes float32 alone."""
    size = abs(x)
    return x.op("Sign") * (size + (size * size + 1.0).op("Sqrt")).op("Log")


def _searchsorted(ordered: Any, x: Any, side: str = "left") -> Any:
    """How many of ``ordered`` (n,) lie below x (1,), or not above it: (1,)."""
    held = x.graph.value(ordered)
    below = held < x if side == "left" else held <= x
    return below.astype(np.float64).sum(0, keepdims=True)


def _interp(x: Any, places: Any, values: Any) -> Any:
    """The value at x (1,) between points (n,), n at least 2: straight from one to the next, and level beyond."""
    whole = partial(x.graph.constant, dtype=np.int64)
    held, last = x.op("Max", places[0]).op("Min", places[-1]), len(places) - 2
    left = (x.graph.value(places) <= held).astype(np.int64).sum(0, keepdims=True) - whole(1)
    left = left.op("Max", whole(0)).op("Min", whole(last))
    start, low = (x.graph.constant(array).take(left) for array in (places, values))
    end, high = (x.graph.constant(array[1:]).take(left) for array in (places, values))
    width = end - start
    share = (held - start) / (width > 0.0).op("Where", width, 1.0)
    # Of points at one place the last one counts.
    return (width > 0.0).op("Where", low + share * (high - low), high)


def _sorted(x: Any, axis: int = -1) -> Any:
    """The same numbers along an axis, the smallest first."""
    ordered, _ = x.graph.several(2, "TopK", x, x.op("Shape").take([axis]), axis=axis, largest=0)
    return ordered


def _stack(values: Any) -> Any:
    """Values of one shape side by side along a new first axis; one of them at least is of a graph."""
    (graph, *_) = (value.graph for value in values if hasattr(value, "graph"))
    first, *others = (graph.op("Unsqueeze", value, graph.constant([0], np.int64)) for value in values)
    return first.op("Concat", *others, axis=0)


def _tanh(x: Any) -> Any:
    """1 - 2 / (exp(2x) + 1)."""
    return 1.0 - 2.0 / ((2.0 * x).op("Exp") + 1.0)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "absolute": lambda x: x.op("Abs"),
    "add": lambda x, y: x + y,
    "arcsinh": _arcsinh,
    "arctan2": arctan2,
    "clip": lambda x, low, high: x.op("Max", low).op("Min", high),
    "divide": lambda x, y: x / y,
    "exp": lambda x: x.op("Exp"),
    "expm1": lambda x: x.op("Exp") - 1.0,
    "greater": lambda x, y: x > y,
    "interp": _interp,
    "less": lambda x, y: x < y,
    "log": lambda x: x.op("Log"),
    "log10": lambda x: x.op("Log") * (1.0 / np.log(10.0)),
    "log1p": _log1p,
    "logaddexp": _logaddexp,
    "maximum": lambda x, y: x.op("Max", y),
    "minimum": lambda x, y: x.op("Min", y),
    "multiply": lambda x, y: x * y,
    "ndtri": normal_quantile,
    "ndtri_exp": normal_quantile_of_log,
    "negative": lambda x: -x,
    "power": lambda x, y: x**y,
    "rint": lambda x: x.op("Round"),
    "searchsorted": _searchsorted,
    "sign": lambda x: x.op("Sign"),
    "sort": _sorted,
    "sqrt": lambda x: x.op("Sqrt"),
    "square": lambda x: x * x,
    "stack": _stack,
    "subtract": lambda x, y: x - y,
    "take": lambda x, indices, axis: x.take(indices, axis),
    "tan": tangent,
    "tanh": _tanh,
    "where": lambda condition, x, y: condition.op("Where", x, y),
    "zeros_like": lambda x: x * 0.0,
}
"""{name in NumPy or scipy.special: what writes it}."""
