"""The mean distance to the nearest, as a weighted sum of all distances."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Indices


def nearest_weights(distances: Floats, bank: Indices, k: int) -> Floats:
    """Return the weights whose sum of products is the mean of the k smallest distances to a bank.

    Parameters
    ----------
    distances
        (n_clips, n_train) distances; infinite ones do not count.
    bank
        The columns that belong to the bank.
    k
        How many count; all that are finite if there are fewer.

    Returns
    -------
    Floats
        (n_clips, n_train) weights: each counted distance has the same, and together they are 1; of equal distances the
        first ones count. A row of infinite distances has no weight.

    Examples
    --------
    >>> nearest_weights(np.array([[4.0, 1.0, 2.0, 0.5]]), np.array([0, 1, 2]), 2).tolist()
    [[0.0, 0.5, 0.5, 0.0]]
    """
    weights = np.zeros(distances.shape)
    of_bank = distances[:, bank]
    nearest = np.argsort(of_bank, axis=1, kind="stable")[:, :k]
    counted = np.isfinite(np.take_along_axis(of_bank, nearest, axis=1))
    shares = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    np.put_along_axis(weights, bank[nearest], shares, axis=1)
    return weights
