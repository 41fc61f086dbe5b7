"""Mel filter banks: triangles over the bins of an FFT, as float64 arrays (n_mels, n_fft // 2 + 1).

Three definitions of mel banks are in use. They differ in the scale on which the corners lie evenly, in the axis on
which the flanks of a triangle are straight, and in its height:

* :func:`kaldi_bank`: corners even and flanks straight on the HTK mel scale, height 1 (Kaldi's ``mel-computations``);
* :func:`htk_bank`: corners even on the HTK mel scale, flanks straight in Hz, height 1 (torchaudio's ``htk``, no norm);
* :func:`slaney_bank`: corners even on the Slaney mel scale, flanks straight in Hz, unit area (librosa's default).

:func:`linear_bank` is the last one with corners evenly spaced in Hz.

A band so narrow that no bin falls into it is left empty, as the definitions have it: its energy is 0. Limits outside of
0 Hz to half the sample rate raise ValueError.

Logarithms and exponentials are those of Python's ``math``, one value at a time: NumPy's and torch's differ in the last
bit between processors. The arrays are kept, and read-only. :class:`MelSums` applies a bank with NumPy,
:func:`asdcore_plugins.nn.front_ends.spectrograms.torch_bank` gives it to torch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST = 1 << 14
"""Bands of a filter bank at most: more than any FFT has frequencies for, and a bank of them takes all memory."""


@functools.cache
def kaldi_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Floats:
    """Triangles from ``low`` to ``high`` Hz."""
    axis = np.array([_htk(frequency) for frequency in _hertz(sample_rate, n_fft).tolist()])
    return _triangles(axis, np.array(_corners(_htk, sample_rate, n_mels, low, high)))


@functools.cache
def htk_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Floats:
    """Triangles from ``low`` to ``high`` Hz."""
    corners = [700.0 * math.expm1(mel) for mel in _corners(_htk, sample_rate, n_mels, low, high)]
    return _triangles(_hertz(sample_rate, n_fft), np.array(corners))


@functools.cache
def slaney_bank(sample_rate: int, n_fft: int, n_mels: int, low: float, high: float) -> Floats:
    """Triangles from ``low`` to ``high`` Hz, each with the area 1 in Hz.

    Examples
    --------
    >>> bank = slaney_bank(16000, 1024, 40, 0.0, 8000.0)
    >>> bank.shape, bool(abs(bank[30:].sum(axis=1) * 16000 / 1024 - 1.0).max() < 0.01)
    ((40, 513), True)
    """
    corners = np.array([_slaney_hertz(mel) for mel in _corners(_slaney, sample_rate, n_mels, low, high)])
    return _triangles(_hertz(sample_rate, n_fft), corners, 2.0 / (corners[2:] - corners[:-2]))


@functools.cache
def linear_bank(sample_rate: int, n_fft: int, n_bands: int, low: float, high: float) -> Floats:
    """Triangles from ``low`` to ``high`` Hz, all equally wide, each with the area 1 in Hz.

    Examples
    --------
    >>> bank = linear_bank(16000, 16, 3, 0.0, 8000.0)
    >>> (bank * 2000.0).tolist()[1]
    [0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0]
    """
    corners = np.array(_corners(float, sample_rate, n_bands, low, high))
    return _triangles(_hertz(sample_rate, n_fft), corners, 2.0 / (corners[2:] - corners[:-2]))


def filled(bank: Floats, n_fft: int) -> Floats:
    """Return the filter bank (n_mels, n_fft // 2 + 1) as it is; ValueError if a band holds no frequency."""
    if empty := int((~bank.any(axis=1)).sum()):
        raise ValueError(
            f"{empty} of {len(bank)} mel bands hold no frequency of an FFT of {n_fft} samples: use fewer bands or "
            "raise n_fft"
        )
    return bank


class MelSums:
    """The energies of mel bands: what ``bank @ spectrum`` gives, without a matrix product.

    Every energy is summed from the band's lowest frequency to its highest, in this order: the same bits whatever frames
    come with it, however many threads there are and on any processor. Step j adds the j-th bin of all bands that have
    one: so there are as many steps as the widest band has bins.

    Parameters
    ----------
    bank : (n_mels, bins) float64
        Each band's weights above 0 lie side by side.

    Examples
    --------
    >>> MelSums(np.array([[1.0, 2.0, 0.0], [0.0, 0.5, 1.0]]))(np.array([[3.0, 4.0, 5.0]]))
    array([[11.],
           [ 7.]])
    """

    def __init__(self, bank: Floats) -> None:
        self.bank, positive = bank, bank > 0.0
        width, lowest = positive.sum(axis=1), positive.argmax(axis=1)
        # Narrow bands first: those that have a j-th bin are the last ones.
        order = np.argsort(width, kind="stable")
        self._place = np.argsort(order)
        self._steps = []
        for j in range(width.max()):
            bands = order[np.searchsorted(width[order], j, side="right") :]
            bins = lowest[bands] + j
            self._steps.append((len(bands), bins, bank[bands, bins][:, None]))

    def __call__(self, spectrum: Floats) -> Floats:
        """(time, bins) -> (n_mels, time)."""
        by_bin = np.ascontiguousarray(spectrum.T)
        sums, terms = np.zeros((2, len(self._place), len(spectrum)))
        for n_bands, bins, weights in self._steps:
            # Without a mode, NumPy would copy what it takes once more.
            np.multiply(by_bin.take(bins, axis=0, out=terms[:n_bands], mode="clip"), weights, out=terms[:n_bands])
            sums[-n_bands:] += terms[:n_bands]
        energies: Floats = sums[self._place]
        return energies


# Slaney's Auditory Toolbox: 200 / 3 Hz a mel up to 1000 Hz, then 27 mels for a factor of 6.4.
_STEP, _KNEE, _LOG_STEP = 200.0 / 3.0, 15.0, math.log(6.4) / 27.0


def _corners(to_mel: Callable[[float], float], sample_rate: int, n_mels: int, low: float, high: float) -> list[float]:
    """Return the n_mels + 2 corners of bands that overlap by half, evenly spaced in mel."""
    if n_mels > MOST:
        raise ValueError(f"{n_mels} mel bands are not possible: give at most {MOST}")
    if n_mels < 1 or not 0.0 <= low < high <= sample_rate / 2.0:
        raise ValueError(
            f"{n_mels} mel bands from {low} to {high} Hz are not possible: give at least one band, and limits from "
            f"0 Hz to half the sample rate ({sample_rate / 2.0} Hz)"
        )
    first, last = to_mel(low), to_mel(high)
    return [first + (last - first) * k / (n_mels + 1) for k in range(n_mels + 2)]


def _hertz(sample_rate: int, n_fft: int) -> Floats:
    """Return the frequencies of the bins."""
    frequencies: Floats = np.arange(n_fft // 2 + 1, dtype=np.float64) * (sample_rate / n_fft)
    return frequencies


def _triangles(axis: Floats, corners: Floats, height: Floats | float = 1.0) -> Floats:
    """Return triangles whose flanks are straight on ``axis``, where the bins lie."""
    left, peak, right = (corners[i : len(corners) - 2 + i, None] for i in range(3))
    flanks = np.minimum((axis - left) / (peak - left), (right - axis) / (right - peak))
    bank: Floats = np.maximum(flanks, 0.0) * np.broadcast_to(height, len(peak))[:, None]
    bank.flags.writeable = False
    return bank


def _slaney(frequency: float) -> float:
    """Return the Slaney mel of a frequency in Hz."""
    mel = frequency / _STEP
    return mel if mel < _KNEE else _KNEE + math.log(frequency / (_STEP * _KNEE)) / _LOG_STEP


def _slaney_hertz(mel: float) -> float:
    """Return the frequency in Hz of a Slaney mel."""
    return mel * _STEP if mel < _KNEE else _STEP * _KNEE * math.exp((mel - _KNEE) * _LOG_STEP)


def _htk(frequency: float) -> float:
    """Return HTK's mel without its factor (1127, or 2595 / ln 10), which no triangle depends on."""
    return math.log1p(frequency / 700.0)
