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

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@functools.cache
def kaldi_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz."""
    return _bank("kaldi", sample_rate, n_fft, n_mels, low, high)


@functools.cache
def htk_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz."""
    return _bank("htk", sample_rate, n_fft, n_mels, low, high)


@functools.cache
def slaney_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Triangles from ``low`` to ``high`` Hz, each with the area 1 in Hz."""
    return _bank("slaney", sample_rate, n_fft, n_mels, low, high)


def filled(bank: Tensor, n_fft: int) -> NDArray[np.float64]:
    """Return a filter bank as an array (n_mels, n_fft // 2 + 1); ValueError if a band holds no frequency."""
    dense: NDArray[np.float64] = bank.to_dense().numpy()
    check_filled(dense, n_fft)
    return dense


def check_filled(bank: NDArray[np.float64], n_fft: int) -> None:
    """Raise ValueError if a band of a filter bank (n_mels, n_fft // 2 + 1) holds no frequency."""
    if empty := int((~bank.any(axis=1)).sum()):
        raise ValueError(
            f"{empty} of {len(bank)} mel bands hold no frequency of an FFT of {n_fft} samples: use fewer bands or "
            "raise n_fft"
        )


# Slaney's Auditory Toolbox: 200 / 3 Hz a mel up to 1000 Hz, then 27 mels for a factor of 6.4.
_STEP, _KNEE, _LOG_STEP = 200.0 / 3.0, 15.0, math.log(6.4) / 27.0


def _bank(kind: str, sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Tensor:
    """Return the filter bank of one definition: (n_mels, n_fft // 2 + 1), sparse."""
    import torch  # here, so that an encoder without weights is imported without it

    if n_mels < 1 or not 0.0 <= low < high <= sample_rate / 2.0:
        raise ValueError(
            f"{n_mels} mel bands from {low} to {high} Hz are not possible: give at least one band, and limits from "
            f"0 Hz to half the sample rate ({sample_rate / 2.0} Hz)"
        )
    mel = _slaney if kind == "slaney" else _htk
    # The axis on which flanks are straight, and the corners of bands that overlap by half on it.
    axis = torch.arange(n_fft // 2 + 1, dtype=torch.float64, device="cpu") * (sample_rate / n_fft)
    corners = torch.linspace(mel(low), mel(high), n_mels + 2, dtype=torch.float64, device="cpu")
    if kind == "kaldi":
        axis = torch.log1p(axis / 700.0)
    elif kind == "htk":
        corners = 700.0 * torch.expm1(corners)
    else:
        above = _STEP * _KNEE * torch.exp((corners - _KNEE) * _LOG_STEP)
        corners = torch.where(corners < _KNEE, corners * _STEP, above)
    left, peak, right = (corners[i : n_mels + i, None] for i in range(3))
    heights = torch.minimum((axis - left) / (peak - left), (right - axis) / (right - peak)).clamp(min=0.0)
    if kind == "slaney":
        heights = heights * (2.0 / (corners[2:] - corners[:-2]))[:, None]
    return heights.to_sparse().coalesce()


def _slaney(frequency: float) -> float:
    """The Slaney mel of a frequency in Hz."""
    mel = frequency / _STEP
    return mel if mel < _KNEE else _KNEE + math.log(frequency / (_STEP * _KNEE)) / _LOG_STEP


def _htk(frequency: float) -> float:
    """HTK's mel without its factor (1127, or 2595 / ln 10), which no triangle depends on."""
    return math.log1p(frequency / 700.0)
