"""How loud a window is, and which part of its sound lies where: to tell a moved microphone from a changed machine."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SILENCE_DB = -200.0
BANDS = 8
"""Octave bands below half the sample rate."""


def level(sound: NDArray[np.float32]) -> float:
    """Return the level of a window (n_channels, n_samples) in dB of full scale, to 0.01 dB."""
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    return round(10 * float(np.log10(power)), 2) if power > 0 else SILENCE_DB


def shape(sound: NDArray[np.float32]) -> list[float]:
    """Return how the power of a window is spread over octave bands, lowest first, in dB of all of it, to 0.01 dB.

    sound : (n_channels, n_samples). The first band holds everything below the others.
    """
    spectrum = np.abs(np.fft.rfft(sound.astype(np.float64), axis=1)) ** 2
    power = spectrum.sum(axis=0)
    n = len(power)
    edges = [0, *(max(1, round(n / 2**octave)) for octave in range(BANDS - 1, -1, -1))]
    total = power.sum()
    if not total:
        return [SILENCE_DB] * BANDS
    shares = [power[low:high].sum() / total for low, high in pairwise(edges)]
    return [round(10 * float(np.log10(share)), 2) if share > 0 else SILENCE_DB for share in shares]
