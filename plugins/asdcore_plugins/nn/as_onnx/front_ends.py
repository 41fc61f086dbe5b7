"""Writes front ends as ONNX: what :mod:`asdcore_plugins.nn.front_ends.spectrograms` computes."""

from __future__ import annotations

import numpy as np
import torch

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import count, frame_powers_to_onnx, padded_to_onnx
from asdcore_plugins.nn.front_ends.mel import kaldi_bank


def passt_mel_to_onnx(
    audio: OnnxValue,
    *,
    sample_rate: int,
    n_mels: int,
    n_fft: int,
    win_length: int,
    hop: int,
    low: float,
    high: float,
) -> OnnxValue:
    """Write :func:`asdcore_plugins.nn.front_ends.spectrograms.passt_mel`: (n_samples,) -> (frames, n_mels) float64."""
    n = count(audio)
    later, earlier = (audio.op("Slice", first, last) for first, last in ((_one(audio), n), (_zero(audio), n - _one(n))))
    sound = padded_to_onnx(later - 0.97 * earlier, n_fft // 2, n_fft // 2, reflected=True)
    inset = (n_fft - win_length) // 2
    window = np.zeros(n_fft)
    window[inset : inset + win_length] = torch.hann_window(win_length, periodic=False, dtype=torch.float64).numpy()
    energies = frame_powers_to_onnx(sound, window, hop) @ kaldi_bank(sample_rate, n_fft, n_mels, low, high).T
    return ((energies + 1e-5).op("Log") + 4.5) / 5.0


def _zero(beside: OnnxValue) -> OnnxValue:
    return beside.graph.constant([0], np.int64)


def _one(beside: OnnxValue) -> OnnxValue:
    return beside.graph.constant([1], np.int64)
