"""From which to which frequency the bands of a filter bank reach, read from its weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Edges = list[tuple[float, float]]
"""(low, high) in Hz of each band, in their order."""


def edges_of(bank: Floats, sample_rate: int) -> Edges:
    """Return the frequencies between which each band lies, to the resolution of the FFT.

    Parameters
    ----------
    bank
        (n_bands, n_fft // 2 + 1) weights, at least 0; the weights above 0 of a band lie side by side, and bands rise.
    sample_rate
        Hz.

    Returns
    -------
    list of tuple of float
        (low, high) in Hz: the bins beside those that a band weighs, where its flanks have come down to 0. A band too
        narrow for any bin lies between the bins of its neighbours.

    Examples
    --------
    >>> edges_of(np.array([[0.0, 1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 1.0, 0.0]]), 8000)
    [(0.0, 3000.0), (1000.0, 4000.0)]
    """
    positive, last_bin = bank > 0, bank.shape[1] - 1
    step = sample_rate / 2 / last_bin
    edges, before = [], 0
    for weighed in positive:
        bins = np.flatnonzero(weighed)
        low, high = (int(bins[0]) - 1, int(bins[-1]) + 1) if len(bins) else (before, before + 1)
        edges.append((max(low, 0) * step, min(high, last_bin) * step))
        before = int(bins[-1]) if len(bins) else before
    return edges
