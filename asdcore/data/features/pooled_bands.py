"""Which values of pooled features belong to which band and step of time: what a pooling did, seen from behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BY_BAND: dict[str, Callable[[Floats, int], Floats] | None] = {
    "cls": None,
    "frames": lambda values, n_bands: values.sum(axis=2),
    "mean_all": None,
    **dict.fromkeys(
        ("mean_std", "mean_std_level"),
        lambda values, n_bands: values.reshape(1, 2, n_bands, -1).sum(axis=(1, 3)),
    ),
    **dict.fromkeys(
        ("gem", "gwrp", "max", "mean", "rdp", "rdp_gem"),
        lambda values, n_bands: values.reshape(1, n_bands, -1).sum(axis=2),
    ),
}
"""Of each pooling: (values in the shape of its features, how many bands) -> (time, band); None: it has no bands.

What mean_std_level takes from every band alike is a part of each: a band that changes by x moves the others by less
than x / n_bands.
"""


def by_band(pooling: str, values: Floats, n_bands: int) -> Floats | None:
    """Add up what lies in the same band and step of time.

    Parameters
    ----------
    pooling : str
        The name of a pooling of :mod:`asdcore.data.features.pooling`.
    values : ndarray of float64
        One for each feature, in the shape of the features of one clip.
    n_bands : int
        How many bands the tokens have.

    Returns
    -------
    ndarray of float64, shape (n_times, n_bands), or None
        One step of time, if the pooling has none; None if it keeps no bands apart.

    Examples
    --------
    >>> by_band("mean_std", np.array([1.0, 2.0, 10.0, 20.0]), 2)
    array([[11., 22.]])
    """
    sums = BY_BAND[pooling]
    return None if sums is None else sums(values, n_bands)
