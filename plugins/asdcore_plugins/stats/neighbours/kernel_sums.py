"""Sums of Gaussian kernels over a large bank, from products of features.

Products in double precision give squared distances to about 1e-15 of the squared radius of the bank. A kernel's
exponent is then exact to 1e-15 of the squared radius in bandwidths. Blocks have a fixed size, so the same bank gives
the same sums.

Time: n * m * D products and n * m exponentials. Memory: some 50 MB, and the features of the blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore import Without
from asdcore_plugins.stats.arrays import Floats, Indices
from asdcore_plugins.stats.neighbours.prepared_rows import prepared

Features = NDArray[np.float32]


ROWS, CLIPS = 4096, 128
"""Rows of the bank and clips in one block: their distances are 4 MiB."""


def kernel_sums(
    bank: Features,
    metric: str,
    members: Indices,
    bandwidth: Floats,
    least: Floats,
    without: Without | None = None,
) -> Floats:
    """Sum exp(least^2 / 2 - d^2 / 2) over the others among ``members``, for every clip of a bank.

    d is the distance in units of the clip's own bandwidth.

    Parameters
    ----------
    bank
        (n, D) features.
    metric
        "cosine" or "euclidean".
    members
        (m,) clips that may count.
    bandwidth
        (n,) bandwidth of each clip.
    least
        (n,) the smallest d of each clip, so that its largest kernel is 1.
    without
        For each clip, the others that do not count.

    Returns
    -------
    Floats
        (n,) sums.
    """
    sums, exponents = np.zeros(len(bank)), np.square(least) / 2.0
    middle = prepared(bank[members[:ROWS]], metric).mean(axis=0)
    for start in range(0, len(members), ROWS):
        others = members[start : start + ROWS]
        rows = prepared(bank[others], metric) - middle
        lengths = np.square(rows).sum(axis=1)
        for first in range(0, len(bank), CLIPS):
            clips = np.arange(first, min(first + CLIPS, len(bank)))
            queries = prepared(bank[clips], metric) - middle
            squares = queries @ (-2.0 * rows.T)
            squares += lengths
            squares += np.square(queries).sum(axis=1, keepdims=True)
            np.maximum(squares, 0.0, out=squares)
            # Half of one minus the cosine is a quarter of the squared distance; squared once more, as distances are.
            halves = squares / 2.0 if metric == "euclidean" else np.square(squares) / 32.0
            halves /= np.square(bandwidth[clips])[:, None]
            excluded = clips[:, None] == others if without is None else np.take(without.mask(clips), others, axis=1)
            halves[excluded] = np.inf
            sums[clips] += np.exp(exponents[clips, None] - halves).sum(axis=1)
    return sums
