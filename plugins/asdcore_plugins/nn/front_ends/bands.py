"""Bands evenly spaced on a logarithmic axis: mean densities, however narrow the bands are.

A bin of a spectrum stands for the frequencies half a bin around it. A band gets what lies between its edges, so that
one narrower than a bin has the density of the bin it lies in, and none is ever empty.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LogBands:
    """``n_bands`` from ``low`` to ``high`` Hz over the bins of a one-sided spectrum, ``resolution`` Hz apart."""

    def __init__(self, n_bins: int, resolution: float, n_bands: int, low: float, high: float) -> None:
        if n_bands < 1 or not 0 < low < high <= (n_bins - 1) * resolution:
            raise ValueError(
                f"{n_bands} bands from {low} to {high} Hz are not possible: give one or more, from above 0 Hz on and "
                f"up to {(n_bins - 1) * resolution} Hz"
            )
        self._edges = np.geomspace(low, high, n_bands + 1)
        self._borders = np.concatenate([[0.0], (np.arange(n_bins) + 0.5) * resolution])

    @property
    def hertz(self) -> list[tuple[float, float]]:
        """From which to which frequency each band reaches."""
        return list(pairwise(self._edges.tolist()))

    @property
    def shares(self) -> Floats:
        """What each band takes of each bin, (n_bands, n_bins): ``density @ shares.T`` are the means of the bands."""
        low, high = self._edges[:-1, None], self._edges[1:, None]
        inside = np.minimum(high, self._borders[1:]) - np.maximum(low, self._borders[:-1])
        overlap: Floats = np.maximum(inside, 0.0) / (high - low)
        return overlap

    def __call__(self, density: Floats) -> Floats:
        """(..., n_bins) power per Hz -> (..., n_bands), the mean of each band."""
        sums = np.cumsum(density * np.diff(self._borders), axis=-1)
        rows = sums.reshape(-1, sums.shape[-1])
        upto = np.stack([np.interp(self._edges, self._borders, np.concatenate([[0.0], row])) for row in rows])
        means = np.diff(upto, axis=1) / np.diff(self._edges)
        # Where a band holds nothing, the difference of two sums may be rounded to less than nothing.
        banded: Floats = np.maximum(means, 0.0).reshape(*density.shape[:-1], -1)
        return banded
