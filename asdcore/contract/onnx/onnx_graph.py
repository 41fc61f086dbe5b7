"""Writes a formula as an ONNX graph: values that take NumPy's elementwise functions and become nodes.

A component says by a method ``to_onnx`` how it computes, in such values. Arithmetic, comparisons and the functions of
:data:`FUNCTIONS` work as on arrays, so a formula often need not be written twice: it is called with values of a graph
instead of arrays. What depends on the numbers themselves (``if``, a loop until something holds) raises
:class:`NotInOnnxError`, which names no component: the exporter does.

Everything is float64, as in a run, unless it is cast. Each method takes and returns what its counterpart does for one
clip, as :class:`OnnxValue`:

    view        to_onnx(audio (n_channels, n_samples), sample_rate) -> (n_samples,)
    encoder     to_onnx(audio (n_samples,), layers) -> {layer: (patches (time, band, dim), special (k, dim) or None)}
    scorer      to_onnx(features (1, D)) -> {reference: (1,)}, after ``fit`` or ``restore``
                distances_to_onnx(distances (1, n_train)) -> the same, if it is fitted by distances
    normalizer  to_onnx({reference: (1,)}) -> (1,)
    guard       to_onnx(base (1,), {branch: z (1,)}) -> (1,)

The audio of a view with ``channels = 2`` is (2, n_samples), and so is what its encoder is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from asdcore.contract.onnx.onnx_functions import FUNCTIONS
from asdcore.errors import DataError

OPSET = 20
"""The version of ONNX operators; onnxruntime 1.17 and later have it."""

IR_VERSION = 9


class NotInOnnxError(DataError):
    """A formula cannot be written as an ONNX graph."""


class OnnxGraph:
    """A graph that grows.

    Attributes
    ----------
    nodes, constants : list
        Its nodes and initializers so far, as ONNX protocol buffers.

    Examples
    --------
    >>> graph = asdcore.OnnxGraph()
    >>> root = graph.op("Sqrt", graph.constant([4.0]))
    >>> [node.op_type for node in graph.nodes]
    ['Sqrt']
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._held: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def constant(self, value: Any, dtype: Any = np.float64) -> OnnxValue:
        """Return an array as a value; equal ones are kept once."""
        from onnx import numpy_helper  # here, as it is an extra

        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._held:
            self._held[key] = self.new_name("constant")
            self.constants.append(numpy_helper.from_array(array, self._held[key]))
        return OnnxValue(self, self._held[key])

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> OnnxValue:
        """Add an operator of ONNX with one output.

        Parameters
        ----------
        kind : str
            Its name, such as "Sqrt".
        *inputs : OnnxValue, array_like or None
            Its inputs; None for an optional one that is left out.
        **attributes
            Its attributes.
        """
        return self.several(1, kind, *inputs, **attributes)[0]

    def several(self, outputs: int, kind: str, *inputs: Any, **attributes: Any) -> tuple[OnnxValue, ...]:
        """Add an operator with several outputs, such as "TopK"; return them."""
        from onnx import helper

        names = ["" if value is None else self.value(value).name for value in inputs]
        made = [self.new_name(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, **attributes))
        return tuple(OnnxValue(self, name) for name in made)

    def inline(self, model: Any, inputs: Sequence[OnnxValue]) -> list[OnnxValue]:
        """Add all nodes of another model, fed with some values; return its outputs."""
        names: dict[str, str] = dict(
            zip((given.name for given in model.graph.input), (value.name for value in inputs), strict=True)
        )

        def renamed(name: str) -> str:
            if name and name not in names:
                names[name] = self.new_name("inside")
            return names.get(name, "")

        for held in model.graph.initializer:
            held.name = renamed(held.name)
            self.constants.append(held)
        for node in model.graph.node:
            node.name = ""
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
            self.nodes.append(node)
        return [OnnxValue(self, names[output.name]) for output in model.graph.output]

    def used_constants(self) -> list[Any]:
        """Return the initializers that a node takes."""
        taken = {name for node in self.nodes for name in node.input}
        return [constant for constant in self.constants if constant.name in taken]

    def value(self, given: Any) -> OnnxValue:
        """Return a value as it is, and anything else as a constant."""
        return given if isinstance(given, OnnxValue) else self.constant(given)

    def new_name(self, kind: str) -> str:
        """Return a name that no other value of the graph has."""
        self._count += 1
        return f"{kind}_{self._count}"


class OnnxValue:
    """An array that a graph computes. :class:`OnnxGraph` makes it; arithmetic and NumPy's functions make others of it.

    Parameters
    ----------
    graph : OnnxGraph
        The graph.
    name : str
        Its name in the graph.

    Examples
    --------
    >>> graph = asdcore.OnnxGraph()
    >>> z = graph.constant([1.0, 2.0])
    >>> total = np.log1p(abs(z)).sum(0)
    >>> [node.op_type for node in graph.nodes]
    ['Abs', 'Add', 'Log', 'ReduceSum']
    """

    def __init__(self, graph: OnnxGraph, name: str) -> None:
        self.graph, self.name = graph, name

    def op(self, kind: str, *others: Any, **attributes: Any) -> OnnxValue:
        """Return what an operator of ONNX makes of this value and others; see :meth:`OnnxGraph.op`."""
        return self.graph.op(kind, self, *others, **attributes)

    def sum(self, *axes: int, keepdims: bool = False) -> OnnxValue:
        """Return the sum over some axes."""
        return self._reduced("ReduceSum", axes, keepdims)

    def mean(self, *axes: int, keepdims: bool = False) -> OnnxValue:
        """Return the mean over some axes."""
        return self._reduced("ReduceMean", axes, keepdims)

    def max(self, *axes: int, keepdims: bool = False) -> OnnxValue:
        """Return the maximum over some axes."""
        return self._reduced("ReduceMax", axes, keepdims)

    def min(self, *axes: int, keepdims: bool = False) -> OnnxValue:
        """Return the minimum over some axes."""
        return self._reduced("ReduceMin", axes, keepdims)

    def reshape(self, *shape: int) -> OnnxValue:
        """Return the same numbers in another shape; -1 is whatever is left, 0 an axis as it is."""
        return self.op("Reshape", self.graph.constant(shape, np.int64))

    def transpose(self, *axes: int) -> OnnxValue:
        """Return the same numbers with the axes in another order."""
        return self.op("Transpose", perm=list(axes))

    def take(self, indices: Any, axis: int = 0) -> OnnxValue:
        """Return some rows, by their numbers: an int, an array of int or a value of int64."""
        rows = indices if isinstance(indices, OnnxValue) else self.graph.constant(indices, np.int64)
        return self.op("Gather", rows, axis=axis)

    def astype(self, dtype: Any) -> OnnxValue:
        """Return the same numbers as another type."""
        from onnx import helper

        return self.op("Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def copy(self) -> OnnxValue:
        """Return the value itself: nothing writes to one."""
        return self

    def _reduced(self, kind: str, axes: tuple[int, ...], keepdims: bool) -> OnnxValue:
        return self.op(kind, self.graph.constant(axes, np.int64), keepdims=int(keepdims))

    def __add__(self, other: Any) -> OnnxValue:
        return self.graph.op("Add", self, other)

    def __radd__(self, other: Any) -> OnnxValue:
        return self.graph.op("Add", other, self)

    def __sub__(self, other: Any) -> OnnxValue:
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: Any) -> OnnxValue:
        return self.graph.op("Sub", other, self)

    def __mul__(self, other: Any) -> OnnxValue:
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: Any) -> OnnxValue:
        return self.graph.op("Mul", other, self)

    def __truediv__(self, other: Any) -> OnnxValue:
        return self.graph.op("Div", self, other)

    def __rtruediv__(self, other: Any) -> OnnxValue:
        return self.graph.op("Div", other, self)

    def __pow__(self, other: Any) -> OnnxValue:
        return self.graph.op("Pow", self, other)

    def __matmul__(self, other: Any) -> OnnxValue:
        return self.graph.op("MatMul", self, other)

    def __neg__(self) -> OnnxValue:
        return self.op("Neg")

    def __abs__(self) -> OnnxValue:
        return self.op("Abs")

    def __gt__(self, other: Any) -> OnnxValue:
        return self.graph.op("Greater", self, other)

    def __ge__(self, other: Any) -> OnnxValue:
        return self.graph.op("GreaterOrEqual", self, other)

    def __lt__(self, other: Any) -> OnnxValue:
        return self.graph.op("Less", self, other)

    def __le__(self, other: Any) -> OnnxValue:
        return self.graph.op("LessOrEqual", self, other)

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **more: Any) -> Any:
        """Write an elementwise function of NumPy."""
        if method != "__call__" or more or function.__name__ not in FUNCTIONS:
            raise NotInOnnxError(f"numpy.{function.__name__} is not a function that can be written as ONNX here")
        return FUNCTIONS[function.__name__](*map(self.graph.value, inputs))

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, more: Any) -> Any:
        """Write one of NumPy's other functions, such as ``numpy.where`` or ``sort``."""
        if more or function.__name__ not in FUNCTIONS:
            raise NotInOnnxError(f"numpy.{function.__name__} is not a function that can be written as ONNX here")
        return FUNCTIONS[function.__name__](*args)

    def _unknown(self, *_: Any) -> Any:
        raise NotInOnnxError("what it computes depends on numbers that are only known when a clip is scored")

    __bool__ = __float__ = __int__ = __len__ = __iter__ = __array__ = __index__ = _unknown
    __hash__ = object.__hash__
