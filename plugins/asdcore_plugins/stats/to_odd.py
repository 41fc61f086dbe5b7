"""Rounding to odd: a score with fewer bits, which a table still rounds as it would have rounded the score itself.

A score is put in the middle of its cell between two neighbours of a grid of 34 bits; a point of the grid stays where
it is. Whoever rounds it again, to a grid of at most 33 bits, gets what the score itself would have given: the points
where that rounding changes are on the grid of cells, so none lies inside a cell. Rounding to the nearest twice does not
have this property. After S. Boldo and G. Melquiond, "Emulation of FMA and Correctly Rounded Sums: Proved Algorithms
Using Rounding to Odd", IEEE Transactions on Computers 57, 2008: the middle of a cell is the number of 35 bits whose
last bit is odd.

So a score need not be computed to its last bit. If two bounds of it lie in the same cell, that cell is known (Ziv's
test: A. Ziv, "Fast Evaluation of Elementary Mathematical Functions with Correctly Rounded Last Bit", ACM Transactions
on Mathematical Software 17, 1991).

A score table keeps 24 bits of each score, and more if its train normals are spread over less than their size
(:mod:`asdcore.basics.rounding`): 33 bits if their interquartile range is 1/512 of the score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from asdcore_plugins.stats.arrays import Floats

BITS = 34
"""Significant bits of the borders of cells."""


def to_odd(values: ArrayLike) -> Floats:
    """Put each value in the middle of its cell; a value on the border of two cells stays.

    Parameters
    ----------
    values
        Values of any shape. What is not finite stays as it is.

    Returns
    -------
    Floats
        The middles, in the same order as the values, though two may become the same.

    Examples
    --------
    >>> to_odd([1.0, 1.0 + 2.0**-50, 1.0 + 2.0**-34]) == [1.0, 1.0 + 2.0**-34, 1.0 + 2.0**-34]
    array([ True,  True,  True])
    """
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    scaled = np.ldexp(mantissa, BITS)
    below = np.floor(scaled)
    return np.asarray(np.ldexp(np.where(scaled == below, scaled, below + 0.5), exponent - BITS))


def known_to_odd(value: float, error: float) -> float | None:
    """Return what every number within ``error`` of ``value`` is rounded to odd; None if they differ.

    Examples
    --------
    >>> known_to_odd(0.1, 1e-15) == float(to_odd(0.1))
    True
    >>> known_to_odd(1.0, 1e-15) is None
    True
    """
    if not np.isfinite(value) or not np.isfinite(error):
        return None
    least, most = (float(bound) for bound in to_odd([value - error, value + error]))
    return least if least == most else None
