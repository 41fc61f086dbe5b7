"""Writes frames and short-time spectra as ONNX: those of :mod:`asdcore_plugins.nn.front_ends.stft` and ``welch``."""

from __future__ import annotations

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.nn.front_ends.stft import Floats, hann


def frame_powers_to_onnx(signal: OnnxValue, window: Floats, hop: int) -> OnnxValue:
    """Write :func:`asdcore_plugins.nn.front_ends.stft.frame_powers`: (n_samples,) -> (time, bins)."""
    step, length = (whole(signal, number) for number in (hop, len(window)))
    spectra = signal.reshape(1, -1, 1).op("STFT", step, window, length, onesided=1)
    return (spectra * spectra).sum(0, 3)


def padded_to_onnx(signal: OnnxValue, before: int, after: int, *, reflected: bool = False) -> OnnxValue:
    """Write zeros before and after a signal (n_samples,), or the signal mirrored at its ends."""
    pads = signal.graph.constant([before, after], np.int64)
    return signal.op("Pad", pads, mode="reflect") if reflected else signal.op("Pad", pads, 0.0)


def at_least(rows: OnnxValue, length: int, axes: int) -> OnnxValue:
    """Write zeros behind rows (n, ...) of so many axes, if there are fewer than ``length``."""
    missing = (rows.graph.constant([length], np.int64) - count(rows)).op("Max", whole(rows, 0))
    nothing = [rows.graph.constant([0] * n, np.int64) for n in (axes, axes - 1)]
    pads = nothing[0].op("Concat", missing, nothing[1], axis=0)
    return rows.op("Pad", pads, 0.0)


def framed_to_onnx(rows: OnnxValue, length: int, hop: int) -> OnnxValue:
    """Write frames of ``length`` rows at every hop-th row, without padding: (n, ...) -> (frames, length, ...)."""
    frames = (count(rows).take(0) + whole(rows, -length)) / whole(rows, hop) + whole(rows, 1)
    frames = frames.op("Max", whole(rows, 1))  # of too few rows there is none: then a row is missing, and runtimes stop
    starts = whole(rows, 0).op("Range", frames, whole(rows, 1)) * whole(rows, hop)
    places = starts.reshape(-1, 1) + rows.graph.constant(np.arange(length), np.int64)
    return rows.take(places)


def density_to_onnx(rows: OnnxValue, sample_rate: float, n_fft: int) -> OnnxValue:
    """Write ``density`` of :mod:`asdcore_plugins.nn.front_ends.welch`: (n_samples, n_signals) -> (bins, n_signals)."""
    frames = framed_to_onnx(rows, n_fft, n_fft - n_fft // 2)
    shaped: OnnxValue = (frames - frames.mean(1, keepdims=True)) * hann(n_fft)[:, None]
    spectra = shaped.op("Unsqueeze", shaped.graph.constant([-1], np.int64)).op("DFT", None, whole(rows, 1), onesided=1)
    mean: OnnxValue = (spectra * spectra).sum(3).mean(0) / (sample_rate * np.square(hann(n_fft)).sum())
    twice = np.ones(n_fft // 2 + 1)
    twice[1 : (n_fft + 1) // 2] = 2.0
    return mean * twice[:, None]


def count(rows: OnnxValue) -> OnnxValue:
    """Write how many rows there are: (n, ...) -> (1,)."""
    return rows.op("Shape", start=0, end=1)


def whole(beside: OnnxValue, number: int) -> OnnxValue:
    """Return a whole number as a value of the same graph."""
    return beside.graph.constant(number, np.int64)
