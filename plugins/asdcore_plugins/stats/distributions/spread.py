"""Centre and spread of a sample of scores, and how much too small the spread is for few values."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.special import betainc, ndtr

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
    return median, iqr + max(EPSILON * GAUSSIAN_MAD * float(np.median(np.abs(scores - median))), FLOOR)


@functools.cache
def small_sample_iqr(n: int) -> float:
    """Return the expected IQR (linear quantiles) of n standard Gaussian values over that of infinitely many.

    Two order statistics are as far apart, on average, as the area between their distribution functions.

    Examples
    --------
    >>> round(small_sample_iqr(10), 3), round(small_sample_iqr(1000), 3)
    (0.869, 0.999)
    """
    grid = np.linspace(-9.0, 9.0, 4001)

    def distribution(quantile: float) -> Floats:
        """Return the distribution function of the linear quantile of n values."""
        below = math.floor(quantile * (n - 1))
        share = quantile * (n - 1) - below
        lower, upper = (betainc(k, n - k + 1, ndtr(grid)) for k in (below + 1, min(below + 2, n)))
        mixed: Floats = (1.0 - share) * lower + share * upper
        return mixed

    return float(np.trapezoid(distribution(0.25) - distribution(0.75), grid)) / GAUSSIAN_IQR


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
