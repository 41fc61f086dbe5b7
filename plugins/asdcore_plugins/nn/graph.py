"""Models in one ONNX or TFLite file, ready to run: a waveform in, tensors by name out.

A graph is data: nothing runs but the operators of onnxruntime or LiteRT, on the CPU and on one thread. The file must be
complete in itself, because its own hash is what a frozen run pins.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asdcore import DataError, PluginError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = list[NDArray[Any]]

FREE = -1
"""The length of an axis that may have any."""


class Graph(Protocol):
    """shape : of the waveform it takes, all 1 but the last, which may be :data:`FREE`. outputs : their names."""

    shape: tuple[int, ...]
    outputs: list[str]

    def run(self, waveform: NDArray[np.float32], names: Sequence[str]) -> Arrays:
        """Waveform in the shape of the input -> the tensors of these names; DataError where the graph refuses it."""
        ...


def open_graph(path: str | Path, names: Sequence[str] = ()) -> Graph:
    """Return the model in a file, of which the tensors ``names`` will be asked for.

    Raises DataError for what is no model, does not take one waveform, or has no such tensor; PluginError where the
    library that runs it is not installed.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(
            f"There is no model {file}. Give the path of an ONNX or TFLite file, or the name of a registry entry: "
            "'asdcore registry list' shows them, 'asdcore registry fetch ID' downloads one."
        )
    content = file.read_bytes()
    form, package = (LiteGraph, "ai-edge-litert") if content[4:8] == b"TFL3" else (OnnxGraph, "onnxruntime")
    try:
        return form(file, content, names)
    except ImportError as error:
        raise PluginError(f"{file} needs {package}, which is not installed: pip install 'asdcore[onnx]'.") from error


class OnnxGraph:
    """A graph run by onnxruntime. Its outputs are all that can be had of it."""

    def __init__(self, file: Path, content: bytes, names: Sequence[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no class
            raise DataError(f"{file} is neither TFLite nor an ONNX model complete in itself: {_said(error)}") from error
        inputs = [(one.name, one.type == "tensor(float)", one.shape) for one in self._session.get_inputs()]
        self._input, self.shape = _waveform(file, inputs)
        self.outputs = [one.name for one in self._session.get_outputs()]
        _require(file, names, self.outputs, self.outputs)

    def run(self, waveform: NDArray[np.float32], names: Sequence[str]) -> Arrays:
        """Run the graph once; see :class:`Graph`."""
        try:
            found: Arrays = self._session.run(list(names), {self._input: waveform})
        except Exception as error:
            raise DataError(f"the model fails on a waveform of shape {waveform.shape}: {_said(error)}") from error
        return found


class LiteGraph:
    """A graph run by LiteRT with its default kernels. Every tensor in it can be had."""

    def __init__(self, file: Path, content: bytes, names: Sequence[str]) -> None:
        import numpy as np
        from ai_edge_litert.interpreter import Interpreter

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that keeping inner tensors takes memory
                self._lite = Interpreter(
                    model_content=content, num_threads=1, experimental_preserve_all_tensors=bool(names)
                )
            self._lite.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{file} is no TFLite model that LiteRT can open: {_said(error)}") from error
        inputs, outputs = self._lite.get_input_details(), self._lite.get_output_details()
        taken = [(one["index"], one["dtype"] is np.float32, one["shape_signature"].tolist()) for one in inputs]
        self._input, self.shape = _waveform(file, taken)
        self.outputs = [one["name"] for one in outputs]
        self._index = {one["name"]: one["index"] for one in (*self._lite.get_tensor_details(), *outputs)}
        _require(file, names, self._index, self.outputs)

    def run(self, waveform: NDArray[np.float32], names: Sequence[str]) -> Arrays:
        """Run the graph once; see :class:`Graph`."""
        try:
            if tuple(self._lite.get_input_details()[0]["shape"]) != waveform.shape:
                self._lite.resize_tensor_input(self._input, waveform.shape)
                self._lite.allocate_tensors()
            self._lite.set_tensor(self._input, waveform)
            self._lite.invoke()
            return [self._lite.get_tensor(self._index[name]) for name in names]
        except (RuntimeError, ValueError) as error:
            raise DataError(f"the model fails on a waveform of shape {waveform.shape}: {_said(error)}") from error


def _waveform(file: Path, inputs: Sequence[tuple[Any, bool, Sequence[Any]]]) -> tuple[Any, tuple[int, ...]]:
    """Inputs as (key, whether float32, shape) -> key and shape of the one that takes a waveform; raises DataError."""
    if len(inputs) == 1:
        key, is_float, shape = inputs[0]
        *leading, last = [size if isinstance(size, int) else FREE for size in shape] or [0]
        if is_float and last and all(size in (1, FREE) for size in leading):
            return key, (*(1 for _ in leading), last)
    found = ", ".join(f"{'float32' if is_float else 'another type'} {list(shape)}" for _, is_float, shape in inputs)
    raise DataError(
        f"{file} takes {found or 'nothing'}; needed is one float32 waveform, [n_samples], [1, n_samples] or "
        "[1, 1, n_samples]. A model that begins from a spectrogram needs an encoder of its own: 'asdcore new-plugin "
        "encoder NAME' starts one."
    )


def _require(file: Path, names: Sequence[str], known: Sequence[str] | dict[str, int], outputs: Sequence[str]) -> None:
    if missing := [name for name in names if name not in known]:
        raise DataError(f"{file} has no tensor {', '.join(missing)}; its outputs are {', '.join(outputs)}.")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
