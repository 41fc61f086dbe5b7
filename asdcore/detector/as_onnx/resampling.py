"""Writes resampling as ONNX: the filter that soxr applies, found by what it makes of impulses.

Between two rates with a simple ratio soxr's HQ setting is one filter that repeats block after block, up to the last
bits of float32: a matrix product. With other ratios, such as 44100 to 16000 Hz, it is not, and the file would differ.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.data.audio import resample

Floats = NDArray[np.float64]

BLOCK = 64
"""Samples of a block, at least: one row of the product."""

REACH = 2048
"""Samples before and behind a block that it may reach, at the lower of both rates."""

LARGEST = 512
"""Larger terms of the reduced ratio are refused: soxr filters such blocks otherwise, and the product is large."""

SMALLEST = 1e-9
"""A response below this share of the largest is none."""

ALIKE = 1e-6
"""By which share of the loudest sample the product may differ from soxr."""


def resampled(audio: OnnxValue, source: int, target: int) -> OnnxValue:
    """Write :func:`asdcore.data.audio.resample`: (n_samples,) at ``source`` Hz -> at ``target`` Hz.

    Raises NotInOnnxError if soxr does not filter all blocks alike.
    """
    response, size, made, ahead = _response(source, target)
    constant = functools.partial(audio.graph.constant, dtype=np.int64)
    n_samples = audio.op("Shape")
    blocks = (n_samples + constant([size - 1])) / constant([size])
    reach = len(response) // size
    missing = blocks * constant([size]) - n_samples + constant([ahead * size])
    pads = constant([(reach - 1 - ahead) * size]).op("Concat", missing, axis=0)
    rows = audio.op("Pad", pads, 0.0).reshape(-1, size)
    places = constant(0).op("Range", blocks.take(0), constant(1)).reshape(-1, 1) + constant(np.arange(reach))
    outputs = (rows.take(places).reshape(-1, reach * size) @ response).reshape(-1)
    length = (constant([2 * made]) * n_samples + constant([size])) / constant([2 * size])
    return outputs.op("Slice", constant([0]), length).astype(np.float32).astype(np.float64)


@functools.cache
def _response(source: int, target: int) -> tuple[Floats, int, int, int]:
    """Return the filter, the samples of a block that come in and go out, and the blocks ahead that a block needs.

    The filter is (reach * size, made): the samples of some blocks, the first one first -> those of the block after.
    """
    common = math.gcd(source, target)
    size, made = source // common, target // common
    if max(size, made) > LARGEST:
        raise _no_filter(source, target)
    repeat = -(-BLOCK // min(size, made))
    size, made = size * repeat, made * repeat
    side = -(-REACH * max(1, source // target) // size)
    responses = np.zeros((size, 2 * side + 1, made))
    for i in range(size):
        impulse = np.zeros((2 * side + 1) * size, np.float32)
        impulse[side * size + i] = 1.0
        heard = resample(impulse, source, target)[: responses[i].size]
        responses[i].reshape(-1)[: len(heard)] = heard
    largest = np.abs(responses).max(axis=(0, 2))
    first, last = np.flatnonzero(largest > SMALLEST * largest.max())[[0, -1]]
    # Block k of the outputs rests on block -k of the samples.
    matrix = responses[:, first : last + 1][:, ::-1].transpose(1, 0, 2).reshape(-1, made)
    filter_ = np.ascontiguousarray(matrix), size, made, side - int(first)
    _check(filter_, source, target)
    return filter_


def _check(filter_: tuple[Floats, int, int, int], source: int, target: int) -> None:
    """Raise NotInOnnxError unless the filter makes of noise what soxr makes of it."""
    response, size, _, ahead = filter_
    noise = np.random.default_rng(0).uniform(-1, 1, 20 * REACH + 7).astype(np.float32)
    heard, reach = resample(noise, source, target), len(response) // size
    blocks = -(-len(noise) // size)
    padded = np.pad(noise.astype(np.float64), ((reach - 1 - ahead) * size, (blocks + ahead) * size - len(noise)))
    rows = np.lib.stride_tricks.sliding_window_view(padded, reach * size)[::size]
    product = (rows @ response).reshape(-1)[: len(heard)]
    apart = np.abs(product - heard).max() if len(product) == len(heard) else np.inf
    if apart > ALIKE * np.abs(heard).max():
        raise _no_filter(source, target)


def _no_filter(source: int, target: int) -> NotInOnnxError:
    return NotInOnnxError(
        f"it hears {target} Hz and the recordings have {source} Hz: resampling by this ratio cannot be written "
        f"as ONNX. Give the encoder sample_rate = {source} in the portfolio if it takes one, or record at {target} Hz"
    )
