"""Rounds the features of exact encoders to 16 bits, so that they come out the same on every processor.

Processors add and multiply alike, but they sum in another order, and their libraries take other kernels. In float64 the
features of one network then differ by some 1e-15 of a clip's largest (measured: mn04, and small BEATs, Dasheng and EAT,
under every variable of torch, MKL, oneDNN, OpenBLAS and NumPy that chooses kernels). Rounding to a grid hides that,
unless a value lies so near to the middle between two points of the grid that the two results fall on either side of it.

The grid of a value follows its own magnitude: 16 significant bits, a step of 2^-16 to 2^-15 of it. That alone would not
do: a value that is nearly zero is the rest of larger ones that cancel, so it has their error, and a fine grid of its
own. Hence no step is finer than 2^-24 of the power of two above the clip's largest magnitude, which is what float32
would keep of that one. In the networks above, two processors then differ in about one value of 2e9 to 1e10; the worst
case, values near zero with an error of 1e-14, is one in 6e6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

BITS = 16
"""Significant bits that a value keeps."""

FINEST = 24
"""No step of the grid is finer than 2^-FINEST of the power of two above the largest magnitude."""

SMALLEST = -149
"""The exponent of the smallest number above 0 that float32 has."""


def to_16_bits(features: Floats) -> Floats32:
    """Round a clip's features to the grid that this module describes.

    Parameters
    ----------
    features : (...) float64
        Pooled features of one clip, or its frames.

    Returns
    -------
    (...) float32
        The nearest points of the grid, a tie to the even one; zero stays zero, and has no sign.

    Raises
    ------
    DataError
        If a value is not finite, or too large for float32.

    Examples
    --------
    >>> from asdcore.data.features.exact_features import to_16_bits
    >>> [float(value) for value in to_16_bits(np.array([1.0, 1.00001, 1.00002, -1e-9]))]
    [1.0, 1.0, 1.000030517578125, 0.0]
    """
    _, exponents = np.frexp(features)
    _, largest = np.frexp(np.abs(features).max(initial=0.0))
    steps = np.maximum(exponents - BITS, max(int(largest) - FINEST, SMALLEST))
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum turns -0.0 into 0.0: what is rounded away must not leave its sign.
        rounded: Floats32 = np.ldexp(np.rint(np.ldexp(features, -steps)), steps).astype(np.float32) + np.float32(0.0)
    if bad := int((~np.isfinite(rounded)).sum()):
        raise DataError(f"{bad} of {rounded.size} features are not finite, or too large for float32")
    return rounded
