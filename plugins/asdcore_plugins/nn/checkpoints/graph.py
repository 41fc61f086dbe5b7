"""Models in an ONNX or TFLite file, ready to run: a waveform in, tensors by name out.

A graph is data: nothing runs but the operators of onnxruntime or LiteRT, on the CPU and on one thread. An ONNX model
may keep weights in files beside it; :mod:`asdcore_plugins.nn.checkpoints.onnx_files` says which, and a frozen run pins
them all.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, PluginError
from asdcore_plugins.nn.checkpoints.onnx_files import onnx_files

Arrays = list[NDArray[Any]]

FREE = -1
"""The length of an axis that may have any."""

SUFFIXES = (".onnx", ".ort", ".tflite")
"""The files that a folder may hold one of."""


class Graph(Protocol):
    """shape : of the waveform it takes, all 1 but the samples, which may be :data:`FREE`. outputs : their names."""

    shape: tuple[int, ...]
    outputs: list[str]

    def reset(self) -> None:
        """Forget what was heard before, if the graph keeps any of it."""
        ...

    def run(self, waveform: NDArray[np.float32], names: Sequence[str]) -> Arrays:
        """Waveform in the shape of the input -> the tensors of these names; DataError where the graph refuses it."""
        ...


def open_graph(path: str | Path, names: Sequence[str] = ()) -> Graph:
    """Return the model in a file, of which the tensors ``names`` will be asked for.

    Raises DataError if a file is not a model, does not take one waveform, or has no such tensor; PluginError if the
    library that runs it is not installed.
    """
    file = graph_file(path)
    with file.open("rb") as opened:
        is_lite = opened.read(8)[4:] == b"TFL3"
    form, package = (LiteGraph, "ai-edge-litert") if is_lite else (OnnxGraph, "onnxruntime")
    try:
        return form(file, names)
    except ImportError as error:
        raise PluginError(f"{file} needs {package}, which is not installed: pip install 'asdcore[onnx]'.") from error


def graph_file(path: str | Path) -> Path:
    """Return the file of a model: ``path``, or the one model in that folder; raises DataError where there is none."""
    file = Path(path)
    if file.is_dir():
        inside = sorted(path for path in file.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))
        if len(inside) != 1:
            names = ", ".join(path.name for path in inside) or "none"
            raise DataError(f"{file} must hold one model, a file .onnx or .tflite; it holds {names}. Name the file.")
        return inside[0]
    if not file.is_file():
        raise DataError(
            f"There is no model {file}. Give the path of an ONNX or TFLite file, or the name of a registry entry: "
            "'asdcore registry list' shows them, 'asdcore registry fetch ID' downloads one."
        )
    return file


def graph_files(path: str | Path) -> list[Path]:
    """Return every file that :func:`open_graph` reads for a model: its own first; raises DataError."""
    return onnx_files(graph_file(path))


class OnnxGraph:
    """A graph run by onnxruntime. Its outputs are all that can be had of it."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        import onnxruntime

        onnx_files(file)  # a weight file that is not there is told in better words than onnxruntime's
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised
        try:
            # By its path: from bytes, weights beside the file would be looked for in the working directory.
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no class
            raise DataError(f"{file} is neither TFLite nor an ONNX model that opens: {_said(error)}") from error
        inputs = [(node.name, node.type == "tensor(float)", node.shape) for node in self._session.get_inputs()]
        self._input, self.shape = _waveform(file, inputs)
        self.outputs = [node.name for node in self._session.get_outputs()]
        _require(file, names, self.outputs, self.outputs)

    def reset(self) -> None:
        """Do nothing: an ONNX graph keeps nothing, its state would be inputs of its own."""

    def run(self, waveform: NDArray[np.float32], names: Sequence[str]) -> Arrays:
        """Run the graph once; see :class:`Graph`."""
        try:
            outputs: Arrays = self._session.run(list(names), {self._input: waveform})
        except Exception as error:
            raise DataError(f"the model fails on a waveform of shape {waveform.shape}: {_said(error)}") from error
        return outputs


class LiteGraph:
    """A graph run by LiteRT with its default kernels. Every tensor in it can be had."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that keeping inner tensors takes memory
                self._lite = Interpreter(
                    model_content=file.read_bytes(), num_threads=1, experimental_preserve_all_tensors=bool(names)
                )
            self._lite.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{file} is not a TFLite model that LiteRT can open: {_said(error)}") from error
        inputs, outputs = self._lite.get_input_details(), self._lite.get_output_details()
        taken = [
            (tensor["index"], tensor["dtype"] is np.float32, tensor["shape_signature"].tolist()) for tensor in inputs
        ]
        self._input, self.shape = _waveform(file, taken)
        self.outputs = [tensor["name"] for tensor in outputs]
        self._index = {tensor["name"]: tensor["index"] for tensor in (*self._lite.get_tensor_details(), *outputs)}
        _require(file, names, self._index, self.outputs)

    def reset(self) -> None:
        """Set the variables in the graph (of a fused LSTM, an SVDF) back to what they begin with."""
        self._lite.reset_all_variables()

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
        sizes = [size if isinstance(size, int) else FREE for size in shape]
        # The samples are on the last axis, or before a last axis of one channel: [batch, time, 1].
        place = len(sizes) - (2 if len(sizes) == 3 and sizes[2] == 1 and sizes[1] != 1 else 1)
        # A free axis before a fixed one is a number of frames, not of channels: that is a spectrogram.
        batch, rest = sizes[: min(place, 1)], {size for i, size in enumerate(sizes) if i not in (0, place)}
        channels = (1, FREE) if sizes and sizes[place] == FREE else (1,)
        if sizes and is_float and sizes[place] not in (0, 1) and set(batch) <= {1, FREE} and rest <= set(channels):
            return key, tuple(size if i == place else 1 for i, size in enumerate(sizes))
    shapes = ", ".join(f"{'float32' if is_float else 'another type'} {list(shape)}" for _, is_float, shape in inputs)
    several = " State that a model takes and gives back as inputs is not kept here." if len(inputs) > 1 else ""
    raise DataError(
        f"{file} takes {shapes or 'nothing'}; needed is one float32 waveform, [n_samples], [1, n_samples], "
        f"[1, 1, n_samples] or [1, n_samples, 1].{several} A model that begins from a spectrogram, or wants more than "
        "sound, needs an encoder of its own: 'asdcore new-plugin encoder NAME' starts one."
    )


def _require(file: Path, names: Sequence[str], tensors: Sequence[str] | dict[str, int], outputs: Sequence[str]) -> None:
    if missing := [name for name in names if name not in tensors]:
        raise DataError(f"{file} has no tensor {', '.join(missing)}; its outputs are {', '.join(outputs)}.")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
