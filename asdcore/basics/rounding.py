"""Rounds what crosses a table boundary, so that last bits which differ between processors do not reach the next stage.

Two processors sum a matrix product in other orders, and their scores differ from the 44th bit on. On a grid of 24 bits
both give the same number, unless a half step lies just between them. Every column of scores has a grid of its own,
which depends on train normals alone: so a clip's rounded score does not depend on other test clips.

A step is a power of two. Every value keeps 24 significant bits, as in float32. It keeps more if these would be coarser
than 24 bits of the spread of the train normals: an offset must not eat the bits. 1e8 and 1e8 + 1 are the same number in
float32, but not here if train normals are spread over ten. A step is at most 2.1e-7 of the spread, so clips that differ
by a millionth of it keep their order, through several stages.

Rounding is exact: it scales by powers of two and takes the nearest whole number. No processor rounds differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BITS = 24
"""Significant bits that every value keeps at least."""

FINER = BITS - 1
"""No step is coarser than 2**-23 of the power of two beside the spread: 1.04e-7 to 2.09e-7 of the spread."""

EDGE = 0.57279
"""Where the power of two beside a spread changes: at 1.14558 times a power of two.

At a power of two itself it would change too often. By the median and the interquartile range, z is spread over 1 up to
its last bits, and a grid that takes one step on one processor and half of it on another would round nothing alike. No
usual scale lies near 1.1456 times a power of two: not 10**k, ln 2, ln 3 (exponential), 1.349 or 1.4826 (normal).
"""

NOISE = 2.0**-40
"""A spread below this share of the largest value is taken for noise of last bits, and no grid goes by it."""

LOWEST, SIGNIFICAND = -1074, 53
"""float64: the exponent of the smallest number, and the bits of any other."""


@dataclass(frozen=True)
class Grid:
    """The grid of one column of scores.

    Parameters
    ----------
    coarsest : int or None
        No step is coarser than ``2**coarsest``. None: every value keeps 24 bits and no more.

    Examples
    --------
    >>> grid = Grid.of([1e8, 1e8 + 4, 1e8 + 6, 1e8 + 10])
    >>> (grid.rounded([1e8 + 1]) - grid.rounded([1e8])).tolist()
    [1.0]
    >>> Grid().rounded([0.1, 1e8 + 1]).tolist()
    [0.10000000149011612, 100000000.0]

    """

    coarsest: int | None = None

    @classmethod
    def of(cls, normals: ArrayLike) -> Self:
        """Return the grid that goes by the spread of train normals.

        The spread is the range of the middle half; if that is 0 up to last bits, the range of all; if that is 0 as
        well, there is none.

        Parameters
        ----------
        normals : array_like of float, shape (n,)
            Finite scores of train normals, n at least 1.

        Returns
        -------
        Grid
            The same for all orders of the normals, and for the normals with their signs changed.

        Examples
        --------
        >>> Grid.of([0.0, 1.0, 2.0, 3.0])
        Grid(coarsest=-23)
        >>> Grid.of([5.0, 5.0, 5.0])
        Grid(coarsest=None)

        """
        ordered = np.sort(np.asarray(normals, dtype=np.float64))
        noise = NOISE * max(abs(float(ordered[0])), abs(float(ordered[-1])))
        for left in (len(ordered) // 4, 0):
            half = float(ordered[-1 - left]) / 2 - float(ordered[left]) / 2  # the whole might overflow
            if half > noise:
                mantissa, exponent = math.frexp(half)
                return cls(exponent + (mantissa >= EDGE) - FINER)
        return cls()

    def rounded(self, values: ArrayLike) -> Floats:
        """Round values to the grid.

        Parameters
        ----------
        values : array_like of float, shape (n,)
            Scores, each rounded by itself.

        Returns
        -------
        ndarray of float64, shape (n,)
            The nearest values of the grid, of two equally near the even one. Never in another order than before, though
            two may become the same. 0 for -0.0. What is not finite stays as it is.

        Examples
        --------
        >>> Grid(coarsest=-2).rounded([0.3, -7.9, 1e6 + 0.3]).tolist()
        [0.30000001192092896, -7.900000095367432, 1000000.3125]

        """
        mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
        step = exponent - BITS
        if self.coarsest is not None:
            step = np.minimum(step, self.coarsest)
        step = np.maximum(step, np.maximum(exponent - SIGNIFICAND, LOWEST))
        with np.errstate(over="ignore"):
            scaled = np.ldexp(mantissa, exponent - step)
            result = np.ldexp(np.rint(scaled), step)
            result = np.where(np.isinf(result), np.ldexp(np.trunc(scaled), step), result)
        return np.asarray(result + 0.0)  # and no minus before 0


def settled(normals: ArrayLike) -> tuple[Floats, Grid]:
    """Round train normals, and return the grid for all other clips of their column.

    That grid is made from the rounded normals: whoever has these has the grid, and so rounds a new clip as the run did.

    Parameters
    ----------
    normals : array_like of float, shape (n,)
        Finite scores of train normals, n at least 1.

    Returns
    -------
    rounded : ndarray of float64, shape (n,)
        The train normals, rounded on their own grid.
    grid : Grid
        ``Grid.of(rounded)``.

    Examples
    --------
    >>> normals, grid = settled([0.1, 0.2, 0.4, 0.7])
    >>> grid == Grid.of(normals)
    True

    """
    rounded = Grid.of(normals).rounded(normals)
    return rounded, Grid.of(rounded)


def rounded_column(values: Floats, normal: NDArray[np.bool_]) -> Floats:
    """Round one column of scores on the grid of its train normals.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite scores.
    normal : ndarray of bool, shape (n,)
        Which of them are out-of-fold scores of train normals, one at least.

    Returns
    -------
    ndarray of float64, shape (n,)
        The rounded scores.

    Examples
    --------
    >>> rounded_column(np.array([0.1, 0.2, 0.3]), np.array([True, True, False])).tolist()
    [0.10000000149011612, 0.20000000298023224, 0.29999999701976776]

    """
    normals, grid = settled(values[normal])
    result = grid.rounded(values)
    result[normal] = normals
    return result
