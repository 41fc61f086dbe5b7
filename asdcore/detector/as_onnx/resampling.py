"""Writes resampling as ONNX: the filter that soxr applies, found by what it makes of impulses.

Between two rates in a ratio of whole numbers soxr's HQ setting is one filter that repeats block after block, up to the
last bits of float32: a matrix product. Only at the start of a clip it is another: soxr filters in stages, and a later
stage begins with zeros where an earlier one would ring before the first sample. So the first outputs get what this
changes, a second product.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.onnx.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.data.recordings.audio import resample

Floats = NDArray[np.float64]

BLOCK = 64
"""Samples of a block, at least: one row of the product."""

REACH = 2048
"""Samples before and behind a block that it may reach, at the lower of both rates."""

LARGEST = 1_000_000
"""Samples in times samples out of the shortest block: with more the product is too large."""

START = 256
"""Outputs, at least, that may be other ones at the start of a clip."""

SMALLEST = 1e-9
"""A response below this share of the largest is none."""

ALIKE = 1e-6
"""By which share of the loudest sample the product may differ from soxr."""


@dataclass(frozen=True)
class Filter:
    """What soxr does to the samples of a clip.

    response : (reach * size, made), the samples of some blocks, the first one first -> those that come out for one of
    them. start : (samples, blocks * made), the first samples -> what is added to the first outputs. size, made :
    samples of a block that come in and go out. ahead : blocks behind its own that a block needs.
    """

    response: Floats
    start: Floats
    size: int
    made: int
    ahead: int

    @property
    def reach(self) -> int:
        """How many blocks come in for one that goes out."""
        return len(self.response) // self.size


def resampled(audio: OnnxValue, source: int, target: int) -> OnnxValue:
    """Write :func:`asdcore.data.recordings.audio.resample`: (n_samples,) at ``source`` Hz -> at ``target`` Hz.

    Raises NotInOnnxError if soxr does not filter all blocks alike.
    """
    by = _filter(source, target)
    constant = functools.partial(audio.graph.constant, dtype=np.int64)
    n_samples, first_blocks = audio.op("Shape"), by.start.shape[1] // by.made
    blocks = ((n_samples + constant([by.size - 1])) / constant([by.size])).op("Max", constant([first_blocks]))
    missing = blocks * constant([by.size]) - n_samples + constant([by.ahead * by.size])
    pads = constant([(by.reach - 1 - by.ahead) * by.size]).op("Concat", missing, axis=0)
    rows = audio.op("Pad", pads, 0.0).reshape(-1, by.size)
    places = constant(0).op("Range", blocks.take(0), constant(1)).reshape(-1, 1) + constant(np.arange(by.reach))
    outputs = (rows.take(places).reshape(-1, by.reach * by.size) @ by.response).reshape(-1)
    if len(by.start):
        outputs = outputs + _start(audio, by, (blocks - constant([first_blocks])) * constant([by.made]))
    length = (constant([2 * by.made]) * n_samples + constant([by.size])) / constant([2 * by.size])
    return outputs.op("Slice", constant([0]), length).astype(np.float32).astype(np.float64)


def _start(audio: OnnxValue, by: Filter, others: OnnxValue) -> OnnxValue:
    """Write what is added to the first outputs, and as many zeros behind it as there are others."""
    constant = functools.partial(audio.graph.constant, dtype=np.int64)
    filled = audio.op("Pad", constant([0, len(by.start)]), 0.0).op("Slice", constant([0]), constant([len(by.start)]))
    return (filled @ by.start).op("Pad", constant([0]).op("Concat", others, axis=0), 0.0)


@functools.cache
def _filter(source: int, target: int) -> Filter:
    """Return what soxr does; NotInOnnxError if it is another filter."""
    common = math.gcd(source, target)
    size, made = source // common, target // common
    if size * made > LARGEST:
        raise _not_written(source, target, f"a ratio of {size} to {made} that is too large")
    repeat = -(-BLOCK // min(size, made))
    size, made = size * repeat, made * repeat
    side = -(-REACH * max(1, source // target) // size)
    # Every response lies in the middle, far from the start.
    responses = np.stack([_heard((2 * side + 1) * size, side * size + i, source, target) for i in range(size)])
    responses = responses.reshape(size, 2 * side + 1, made)
    largest = np.abs(responses).max(axis=(0, 2))
    first, last = np.flatnonzero(largest > SMALLEST * largest.max())[[0, -1]]
    # Block k of the outputs rests on block -k of the samples.
    matrix = responses[:, first : last + 1][:, ::-1].transpose(1, 0, 2).reshape(-1, made)
    resampler = Filter(
        np.ascontiguousarray(matrix), _changed_start(responses, source, target), size, made, side - int(first)
    )
    _check(resampler, source, target)
    return resampler


def _heard(n_samples: int, place: int, source: int, target: int) -> Floats:
    """Return what soxr makes of an impulse."""
    impulse = np.zeros(n_samples, np.float32)
    impulse[place] = 1.0
    return resample(impulse, source, target).astype(np.float64)


def _changed_start(responses: Floats, source: int, target: int) -> Floats:
    """Return by how much the first outputs differ from those of the filter in the middle: (samples, outputs).

    responses : (size, blocks, made), of the samples of a block, which lies in the middle of the blocks.
    """
    size, n_blocks, made = responses.shape
    side, outputs = n_blocks // 2, -(-START // made) * made
    changed = []
    for place in range(side * size):
        block, i = divmod(place, size)
        usual = responses[i, side - block :].reshape(-1)[:outputs]
        apart = _heard(n_blocks * size, place, source, target)[:outputs]
        apart[: len(usual)] -= usual
        changed.append(apart)
        if place >= size + BLOCK and max(np.abs(each).max() for each in changed[-BLOCK:]) < ALIKE / 4:
            break
    differs = np.abs(np.array(changed)) >= ALIKE / 4
    if not differs.any():
        return np.empty((0, made))
    samples, last = (int(np.flatnonzero(differs.any(axis=axis))[-1]) for axis in (1, 0))
    return np.array(changed)[: samples + 1, : (last // made + 1) * made]


def _check(by: Filter, source: int, target: int) -> None:
    """Raise NotInOnnxError unless the filter makes of noise what soxr makes of it."""
    noise = np.random.default_rng(0).uniform(-1, 1, 20 * REACH + 7).astype(np.float32)
    heard = resample(noise, source, target)
    blocks = -(-len(noise) // by.size)
    pads = (by.reach - 1 - by.ahead) * by.size, (blocks + by.ahead) * by.size - len(noise)
    rows = np.lib.stride_tricks.sliding_window_view(np.pad(noise.astype(np.float64), pads), by.reach * by.size)
    product = (rows[:: by.size] @ by.response).reshape(-1)
    product[: by.start.shape[1]] += noise[: len(by.start)].astype(np.float64) @ by.start
    apart = np.abs(product[: len(heard)] - heard).max() if len(product) >= len(heard) else np.inf
    if apart > ALIKE * np.abs(heard).max():
        raise _not_written(source, target, "a ratio by which soxr filters no two blocks alike, which is too irregular")


def _not_written(source: int, target: int, why: str) -> NotInOnnxError:
    return NotInOnnxError(
        f"it hears {target} Hz and the recordings have {source} Hz, {why} to be written as ONNX. Give the encoder "
        f"sample_rate = {source} in the portfolio if it takes one, or record at {target} Hz"
    )
