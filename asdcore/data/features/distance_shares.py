"""Divides the distance of a clip to train normals among their features, so that the shares add up to it.

Half of one minus the cosine is a quarter of the squared distance of the unit vectors, a sum over features. The
Euclidean distance is the root of such a sum; a feature gets the part of the distance that its square has in the
sum of squares. Since the distance is homogeneous of degree 1, that is also each difference times the distance's
derivative by it (Euler's theorem).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.references import METRICS
from asdcore.data.features.distances import prepared
from asdcore.errors import DataError

Floats = NDArray[np.float64]


def distance_shares(clip: NDArray[np.float32], bank: NDArray[Any], metric: str = "cosine") -> Floats:
    """Divide the distances of one clip among its features.

    Parameters
    ----------
    clip : ndarray of float32, shape (1, ...)
        Features of the clip; the axes after the first are flattened.
    bank : ndarray of float32, shape (n_train, ...)
        Features of the train normals.
    metric : {"cosine", "euclidean"}
        As for :func:`asdcore.distances`.

    Returns
    -------
    ndarray of float64, shape (n_train, D)
        None is negative, and over the features they add up to the distances.

    Raises
    ------
    ValueError
        If the metric is another one.
    DataError
        If the clip and the bank differ in size.

    Examples
    --------
    >>> clip, bank = np.array([[3.0, 4.0]], dtype=np.float32), np.array([[0.0, 0.0]], dtype=np.float32)
    >>> distance_shares(clip, bank, "euclidean").round(2).tolist()  # 5, divided as 9 to 16
    [[1.8, 3.2]]
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if clip.shape[1:] != bank.shape[1:]:
        raise DataError(
            f"features {clip.shape[1:]} of a clip cannot be compared with {bank.shape[1:]} of train normals"
        )
    squares: Floats = np.square(prepared(bank, metric) - prepared(clip, metric))
    total = squares.sum(axis=1, keepdims=True)
    if metric == "cosine":
        # The last axis tells zero vectors from others, and is no feature: the others get what it has.
        squares = squares[:, :-1]
        within = squares.sum(axis=1, keepdims=True)
        scale: Floats = np.divide(total, 4.0 * within, out=np.zeros_like(total), where=within > 0)
    else:
        scale = 1.0 / np.sqrt(np.where(total > 0, total, 1.0))
    return squares * scale
