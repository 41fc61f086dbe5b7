"""Centre and spread of a sample of scores, and how much too small the spread is for few values."""

from __future__ import annotations

import functools
import math

import numpy as np

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats

GAUSSIAN_IQR = 1.3489795003921634
GAUSSIAN_MAD = 1.4826
EPSILON = 1e-6
"""Added to an IQR, in median absolute deviations of a Gaussian."""

FLOOR = 1e-12
"""A spread below this share of the largest score is rounding."""


def median_iqr(scores: Floats, which: str) -> tuple[float, float]:
    """Return the median and IQR + eps of scores (n,). Raises DataError if half of them are equal."""
    low, median, high = (float(q) for q in np.quantile(scores, [0.25, 0.5, 0.75]))
    iqr = high - low
    if not iqr > FLOOR * float(np.abs(scores).max()):
        raise DataError(no_spread("interquartile range", len(scores), which))
    return median, iqr + EPSILON * GAUSSIAN_MAD * float(np.median(np.abs(scores - median)))


@functools.cache
def small_sample_iqr(n: int) -> float:
    """Return the expected IQR (linear quantiles) of n standard Gaussian values over that of infinitely many.

    Examples
    --------
    >>> round(small_sample_iqr(10), 3), round(small_sample_iqr(1000), 3)
    (0.869, 0.999)
    """
    below = math.floor(0.25 * (n - 1))
    share = 0.25 * (n - 1) - below
    low, high = (expected_gaussian(rank, n) for rank in (below + 1, min(below + 2, n)))
    # The upper quartile lies as far above 0 as the lower one lies below it.
    return -2.0 * ((1.0 - share) * low + share * high) / GAUSSIAN_IQR


def expected_gaussian(rank: int, n: int) -> float:
    """Return the expected ``rank``-th smallest of n standard Gaussian values.

    Its density is proportional to F^(rank - 1) (1 - F)^(n - rank) f, with F and f those of one value. All logarithms
    and exponentials are those of Python's ``math``: NumPy's differ in the last bit between processors. The grid is fine
    enough for 1e-8 up to n = 100,000.

    References
    ----------
    David and Nagaraja, "Order Statistics", 3rd edition, 2003, eq. 2.1.6.

    Examples
    --------
    The larger of two is 1 / sqrt(pi) on average:

    >>> round(expected_gaussian(2, 2) * math.sqrt(math.pi), 12)
    1.0
    """
    grid, below = _log_distribution()
    log_density = (rank - 1) * below + (n - rank) * below[::-1] - 0.5 * np.square(grid)
    density = np.array([math.exp(value) for value in (log_density - log_density.max()).tolist()])
    return float((grid * density).sum() / density.sum())


@functools.cache
def _log_distribution() -> tuple[Floats, Floats]:
    """Return a grid that a Gaussian value does not leave, and the logarithm of the distribution function on it."""
    grid = np.arange(-2000.0, 2001.0) * (9.0 / 2000.0)
    return grid, np.array([math.log(0.5 * math.erfc(-value / math.sqrt(2.0))) for value in grid.tolist()])


def pair_distance(scores: Floats, rank: int) -> float:
    """Return the ``rank``-th smallest distance, from 1, of two of the scores (n,); exact, in the memory of the scores.

    It is sought among the floats, as the smallest that so many pairs do not exceed. Their order is that of their bits.

    Examples
    --------
    The distances of 0, 1 and 3 are 1, 2 and 3:

    >>> pair_distance(np.array([3.0, 0.0, 1.0]), 2)
    2.0
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    low, high = 0, int((ordered[-1:] - ordered[0]).view(np.int64)[0])
    while low < high:
        middle = (low + high) // 2
        if _pairs_within(ordered, float(np.array([middle]).view(np.float64)[0])) >= rank:
            high = middle
        else:
            low = middle + 1
    return float(np.array([low]).view(np.float64)[0])


def _pairs_within(ordered: Floats, distance: float) -> int:
    """Count the pairs of sorted scores that are at most so far apart."""
    own = np.arange(len(ordered))
    # The last score within the distance of each lies from low to high.
    low, high = own.copy(), np.full(len(ordered), len(ordered) - 1)
    while (low < high).any():
        middle = (low + high + 1) // 2
        within = ordered[middle] - ordered <= distance
        low, high = np.where(within, middle, low), np.where(within, high, middle - 1)
    return int((low - own).sum())


def mean_deviation(scores: Floats, which: str) -> tuple[float, float]:
    """Return the mean and deviation (n - 1) of scores (n,). Raises DataError if all are equal."""
    deviation = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    if not deviation > FLOOR * float(np.abs(scores).max()):
        raise DataError(no_spread("standard deviation", len(scores), which))
    return float(np.mean(scores)), deviation


def c4(n: int) -> float:
    """Return the expected deviation of n >= 2 standard Gaussian values.

    Examples
    --------
    >>> round(c4(10), 4)
    0.9727
    """
    return math.sqrt(2.0 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))


def no_spread(what: str, n: int, which: str) -> str:
    """Say that the scale of n train-normal scores is 0, and what to do."""
    return (
        f"the {what} of the {n} train-normal scores ({which}) is 0, so nothing can be put on their scale. "
        "Look for repeated clips or a silent channel, or take the branch out of the portfolio."
    )
