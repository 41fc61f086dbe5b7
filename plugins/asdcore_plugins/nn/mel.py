"""Mel filter banks: triangles over the bins of an FFT, as sparse float64 tensors (n_mels, n_fft // 2 + 1).

Three definitions are in use. They differ in the scale on which the corners lie evenly, in the axis on which the flanks
of a triangle are straight, and in its height:

* :func:`kaldi_bank`: corners even and flanks straight on the HTK mel scale, height 1 (Kaldi's ``mel-computations``);
* :func:`htk_bank`: corners even on the HTK mel scale, flanks straight in Hz, height 1 (torchaudio's ``htk``, no norm);
* :func:`slaney_bank`: corners even on the Slaney mel scale, flanks straight in Hz, unit area (librosa's default).

A band so narrow that no bin falls into it is left empty, as the definitions have it: its energy is 0. Limits outside of
0 Hz to half the sample rate raise ValueError.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@functools.cache
def kaldi_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz."""
    import torch

    _check(sample_rate, n_mels, low, high)
    corners = _even(_htk(low), _htk(high), n_mels)
    return _triangles(torch.log1p(_bins(sample_rate, n_fft) / 700.0), corners).to_sparse().coalesce()


@functools.cache
def htk_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz."""
    import torch

    _check(sample_rate, n_mels, low, high)
    corners = 700.0 * torch.expm1(_even(_htk(low), _htk(high), n_mels))
    return _triangles(_bins(sample_rate, n_fft), corners).to_sparse().coalesce()


@functools.cache
def slaney_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz, each with the area 1 in Hz."""
    import torch

    _check(sample_rate, n_mels, low, high)
    mels = _even(_slaney(low), _slaney(high), n_mels)
    corners = torch.where(mels < _KNEE, mels * _STEP, _STEP * _KNEE * torch.exp((mels - _KNEE) * _LOG_STEP))
    bank = _triangles(_bins(sample_rate, n_fft), corners)
    return (bank * (2.0 / (corners[2:] - corners[:-2]))[:, None]).to_sparse().coalesce()


# Slaney's Auditory Toolbox: 200 / 3 Hz a mel up to 1000 Hz, then 27 mels for a factor of 6.4.
_STEP, _KNEE, _LOG_STEP = 200.0 / 3.0, 15.0, math.log(6.4) / 27.0


def _slaney(frequency: float) -> float:
    mel = frequency / _STEP
    return mel if mel < _KNEE else _KNEE + math.log(frequency / (_STEP * _KNEE)) / _LOG_STEP


def _htk(frequency: float) -> float:
    """HTK's mel without its factor (1127, or 2595 / ln 10), which no triangle depends on."""
    return math.log1p(frequency / 700.0)


def _check(sample_rate: int, n_mels: int, low: float, high: float) -> None:
    if n_mels < 1 or not 0.0 <= low < high <= sample_rate / 2.0:
        raise ValueError(
            f"{n_mels} mel bands from {low} to {high} Hz cannot be: there must be one or more, from 0 Hz on and up to "
            f"half the sample rate ({sample_rate / 2.0} Hz)"
        )


def _bins(sample_rate: int, n_fft: int) -> Tensor:
    """The bins of an FFT in Hz: (n_fft // 2 + 1,)."""
    import torch

    return torch.arange(n_fft // 2 + 1, dtype=torch.float64, device="cpu") * (sample_rate / n_fft)


def _even(low: float, high: float, n_mels: int) -> Tensor:
    """Corners of bands that overlap by half, evenly spaced: (n_mels + 2,)."""
    import torch

    return torch.linspace(low, high, n_mels + 2, dtype=torch.float64, device="cpu")


def _triangles(bins: Tensor, corners: Tensor) -> Tensor:
    """bins (n,) and corners (n_mels + 2,) on one axis -> heights (n_mels, n) of triangles that peak at 1."""
    import torch

    left, peak, right = (corners[i : len(corners) - 2 + i, None] for i in range(3))
    return torch.minimum((bins - left) / (peak - left), (right - bins) / (right - peak)).clamp(min=0.0)
