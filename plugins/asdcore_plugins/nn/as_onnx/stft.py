"""Writes short-time spectra and the way back as ONNX, as :mod:`asdcore_plugins.nn.front_ends.stft_blocks`."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import count, framed_to_onnx, whole
from asdcore_plugins.nn.front_ends.stft import Stft, hann


@dataclass(frozen=True)
class WrittenSpectra:
    """Short-time spectra as a graph computes them: real and imaginary parts, each (time, bins) float64.

    Examples
    --------
    >>> import asdcore
    >>> graph = asdcore.OnnxGraph()
    >>> made = spectra_to_onnx(Stft(8, 4), graph.constant(np.ones(20)))
    >>> made.power().graph is graph
    True
    """

    real: OnnxValue
    imaginary: OnnxValue

    def power(self) -> OnnxValue:
        """Write the squared magnitudes."""
        return self.real * self.real + self.imaginary * self.imaginary

    def scaled(self, gain: OnnxValue) -> WrittenSpectra:
        """Write the spectra times a real gain."""
        return WrittenSpectra(self.real * gain, self.imaginary * gain)


def spectra_to_onnx(stft: Stft, signal: OnnxValue) -> WrittenSpectra:
    """Write the spectra of one channel (n_samples,)."""
    n_samples = count(signal)
    hop = whole(signal, stft.hop).reshape(1)
    beyond = (hop - n_samples.op("Mod", hop)).op("Mod", hop)
    half = signal.graph.constant([stft.n_fft // 2], np.int64)
    after = signal.graph.constant([stft.n_fft - stft.n_fft // 2], np.int64) + beyond
    padded = signal.op("Pad", half.op("Concat", after, axis=0), mode="reflect")
    shaped: OnnxValue = framed_to_onnx(padded, stft.n_fft, stft.hop) * hann(stft.n_fft)
    spectra = shaped.op("Unsqueeze", signal.graph.constant([-1], np.int64)).op(
        "DFT", None, whole(signal, 1), onesided=1
    )
    return WrittenSpectra(spectra.take(0, axis=2), spectra.take(1, axis=2))


def waveform_to_onnx(stft: Stft, spectra: WrittenSpectra, n_samples: OnnxValue) -> OnnxValue:
    """Write what spectra are put together to: n_samples is (1,) int64 -> (n_samples,)."""
    graph, n_fft = n_samples.graph, stft.n_fft
    # The whole of every spectrum: the upper bins are the lower ones, mirrored and conjugated.
    mirrored = np.r_[0 : n_fft // 2 + 1, (n_fft + 1) // 2 - 1 : 0 : -1]
    sign = np.where(np.arange(n_fft) <= n_fft // 2, 1.0, -1.0)
    last = graph.constant([2], np.int64)
    real = spectra.real.take(mirrored, axis=1)
    imaginary: OnnxValue = spectra.imaginary.take(mirrored, axis=1) * sign
    both = real.op("Unsqueeze", last).op("Concat", imaginary.op("Unsqueeze", last), axis=2)
    frames: OnnxValue = both.op("DFT", None, whole(real, 1), inverse=1).take(0, axis=2) * hann(n_fft)
    total, weight = (_overlapped(rows, n_fft, stft.hop) for rows in (frames, frames * 0.0 + np.square(hann(n_fft))))
    first = graph.constant([n_fft // 2], np.int64)
    kept = [value.op("Slice", first, first + n_samples) for value in (total, weight)]
    return kept[0] / kept[1]


def percentile_to_onnx(rows: OnnxValue, percentile: float) -> OnnxValue:
    """Write ``numpy.percentile(rows, percentile, axis=0)``, straight between neighbours: (time, n) -> (n,)."""
    n_rows, graph = count(rows), rows.graph
    ordered, _ = graph.several(2, "TopK", rows, n_rows, axis=0, largest=0)
    place = (n_rows.astype(np.float64) - 1.0) * (percentile / 100.0)
    below = place.op("Floor").astype(np.int64)
    above = (below + graph.constant([1], np.int64)).op("Min", n_rows - graph.constant([1], np.int64))
    low, high = (ordered.op("Gather", which, axis=0).reshape(-1) for which in (below, above))
    return low + (high - low) * (place - place.op("Floor"))


def _overlapped(frames: OnnxValue, n_fft: int, hop: int) -> OnnxValue:
    """Add up frames (time, n_fft) that start ``hop`` samples apart: -> (samples,), perhaps with zeros behind."""
    parts = -(-n_fft // hop)
    constant = frames.graph.constant
    filled = frames.op("Pad", constant([0, 0, 0, parts * hop - n_fft], np.int64), 0.0)
    # The k-th parts of all frames, k rows below the first ones.
    rows = [
        filled.op(
            "Slice", constant([k * hop], np.int64), constant([(k + 1) * hop], np.int64), constant([1], np.int64)
        ).op("Pad", constant([k, 0, parts - 1 - k, 0], np.int64), 0.0)
        for k in range(parts)
    ]
    return reduce(operator.add, rows).reshape(-1)
