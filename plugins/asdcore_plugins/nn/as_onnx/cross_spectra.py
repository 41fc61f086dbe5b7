"""Writes what two channels have in common as ONNX: :mod:`asdcore_plugins.nn.front_ends.cross_spectra`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import whole
from asdcore_plugins.nn.front_ends.cross_spectra import FLOOR, CrossSpectra


@dataclass(frozen=True)
class CommonInOnnx:
    """Of each segment: the densities of both channels, and the coherency's parts and power; all (segments, bins)."""

    near: OnnxValue
    far: OnnxValue
    in_phase: OnnxValue
    quadrature: OnnxValue
    coherence: OnnxValue


def spectra_to_onnx(signals: OnnxValue, spectra: CrossSpectra) -> OnnxValue:
    """Write ``CrossSpectra``: (2, n_samples) -> (2, time, bins, 2), real and imaginary parts."""
    window = spectra.window
    step, length = (whole(signals, number) for number in (spectra.hop, len(window)))
    # Of a clip that is too short for a coherence a sample is missing: then runtimes stop.
    signals = signals + signals.take([spectra.shortest - 1], axis=1) * 0.0
    return signals.op("Unsqueeze", signals.graph.constant([2], np.int64)).op("STFT", step, window, length, onesided=1)


def common_to_onnx(spectra: OnnxValue, starts: OnnxValue, stops: OnnxValue) -> CommonInOnnx:
    """Write ``common``: (2, time, bins, 2), and where each segment begins and ends, int64 (segments,)."""
    count = (stops - starts).astype(np.float64).reshape(-1, 1)

    def mean(products: OnnxValue) -> OnnxValue:
        """(time, bins) -> (segments, bins)."""
        pads = spectra.graph.constant([1, 0, 0, 0], np.int64)
        sums = products.op("CumSum", spectra.graph.constant(0, np.int64)).op("Pad", pads, 0.0)
        return (sums.take(stops) - sums.take(starts)) / count

    (near_real, near_imaginary), (far_real, far_imaginary) = (
        (spectra.take(channel).take(0, axis=2), spectra.take(channel).take(1, axis=2)) for channel in (0, 1)
    )
    near = mean(near_real * near_real + near_imaginary * near_imaginary).op("Max", 0.0)
    far = mean(far_real * far_real + far_imaginary * far_imaginary).op("Max", 0.0)
    size = ((near + FLOOR) * (far + FLOOR)).op("Sqrt")
    in_phase = mean(near_real * far_real + near_imaginary * far_imaginary) / size
    quadrature = mean(near_imaginary * far_real - near_real * far_imaginary) / size
    limit = (in_phase * in_phase + quadrature * quadrature).op("Sqrt").op("Max", 1.0)
    in_phase, quadrature = in_phase / limit, quadrature / limit
    return CommonInOnnx(near, far, in_phase, quadrature, in_phase * in_phase + quadrature * quadrature)
