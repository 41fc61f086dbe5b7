"""Writes the network of an encoder on torch as ONNX, by torch's own exporter."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from asdcore import DataError, OnnxValue
from asdcore_plugins.nn.running.run import Parts

OPSET = 20
"""That of :mod:`asdcore.contract.onnx.onnx_graph`, the last one that this exporter of torch writes."""

FRAMES = 200
"""Frames of the spectrogram that the network is traced with; any number will do afterwards."""


class Network(Protocol):
    """An encoder on torch, such as :class:`asdcore_plugins.nn.running.run.TorchEncoder`."""

    name: str
    model: nn.Module
    exact: bool
    autocast: str | None
    device: torch.device

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Return patches and special tokens of each layer."""
        ...


def network_to_onnx(
    encoder: Network, spectrogram: OnnxValue, n_bands: int, layers: Sequence[int | str]
) -> dict[int | str, tuple[OnnxValue, OnnxValue | None]]:
    """Write what ``encoder.tokens`` makes of a spectrogram, in float32, be the encoder exact or not.

    Parameters
    ----------
    encoder : Network
        The encoder, on the CPU.
    spectrogram : OnnxValue
        (frames, n_bands) float64.
    n_bands : int
        How many bands it has.
    layers : sequence of int or str
        The layers wanted.

    Returns
    -------
    dict
        {layer: (patches (time, band, dim), special tokens (k, dim) or None)}, float64.

    Raises
    ------
    DataError
        If the encoder computes in half precision or on another device: the file would give other numbers.
    """
    import onnx

    refuse_other_numbers(encoder)
    example = torch.zeros(1, FRAMES, n_bands)
    layered = _Layered(_in_float32(encoder), layers, example)
    model = onnx.load_from_string(_exported(layered, example, {1: "frames"}))
    given = spectrogram.astype(np.float32).op("Unsqueeze", spectrogram.graph.constant([0], np.int64))
    outputs = iter(value.take(0).astype(np.float64) for value in spectrogram.graph.inline(model, [given]))
    return {layer: (next(outputs), next(outputs) if special else None) for layer, special in layered.special.items()}


def _in_float32(encoder: Network) -> Network:
    """Return an exact encoder with a float32 copy of its network: runtimes have no convolution in float64."""
    if not encoder.exact:
        return encoder
    plain = copy.copy(encoder)
    plain.model, plain.exact = copy.deepcopy(encoder.model).float(), False
    return plain


def refuse_windows(encoder: Any) -> None:
    """Raise DataError if an encoder hears windows of a clip: a graph hears it at once."""
    if encoder.longest is None:
        raise DataError("it hears windows (window_seconds), and an ONNX file hears a clip at once: leave them out")


def refuse_other_numbers(encoder: Network) -> None:
    """Raise DataError if an encoder computes in half precision or on another device than the CPU."""
    if encoder.autocast is not None or encoder.device.type != "cpu":
        how = f"autocast = {encoder.autocast!r}" if encoder.autocast is not None else f"device {encoder.device}"
        raise DataError(f"it was frozen with {how}, whose numbers no ONNX file gives: run it on the CPU without")


def module_to_onnx(module: nn.Module, given: OnnxValue, example: Tensor) -> OnnxValue:
    """Write what a module with one output makes of a value of one shape, in float32.

    Parameters
    ----------
    module : torch.nn.Module
        The module, on the CPU.
    given : OnnxValue
        What it is given, float64.
    example : Tensor
        Zeros of that shape, float32.

    Raises
    ------
    DataError
        If torch cannot write the module.
    """
    import onnx

    model = onnx.load_from_string(_exported(module, example, {}))
    return given.graph.inline(model, [given.astype(np.float32)])[0].astype(np.float64)


class _Layered(nn.Module):
    """A network as torch exports it: a spectrogram in, one tensor for each part of each layer out."""

    def __init__(self, encoder: Network, layers: Sequence[int | str], trial: Tensor) -> None:
        super().__init__()
        self.model, self._encoder, self._layers = encoder.model, [encoder], layers
        with torch.no_grad():
            self.special = {layer: special is not None for layer, (_, special) in self._parts(trial).items()}

    def _parts(self, spectrogram: Tensor) -> Mapping[int | str, Parts]:
        return self._encoder[0].tokens(spectrogram, self._layers)

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, ...]:
        """(1, frames, n_bands) -> patches, and special tokens if there are any, of every layer."""
        parts = self._parts(spectrogram)
        return tuple(part for layer in self._layers for part in parts[layer] if part is not None)


def _exported(module: nn.Module, example: Tensor, dynamic: Mapping[int, str]) -> bytes:
    """Return the file that torch writes of a module; ``dynamic`` names the axes of its input that have any length."""
    content = io.BytesIO()
    how: dict[str, Any] = {"input_names": ["given"], "dynamic_axes": {"given": dict(dynamic)}}
    with warnings.catch_warnings():
        # The exporter that follows it needs two more libraries, and gives the same operators.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(module.eval(), (example,), content, opset_version=OPSET, dynamo=False, **how)  # type: ignore[arg-type]
        except RuntimeError as error:
            raise DataError(f"torch cannot write its network as ONNX: {str(error).splitlines()[0]}") from error
    return content.getvalue()
