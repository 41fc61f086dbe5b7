"""Reads a sample rate off time stamps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rate_of(stretches: Sequence[tuple[int, NDArray[Any]]], last: int) -> tuple[float | None, str]:
    """Return the sample rate of time stamps in Hz, and what is wrong with them, "" if nothing is.

    Parameters
    ----------
    stretches : sequence of (int, ndarray)
        Stretches of time stamps in seconds, and the number of the first of each; the first and the last stamp of all
        must be among them.
    last : int
        The number of the last time stamp.

    Returns
    -------
    float or None, str
        No rate if there are fewer than two stamps, or a stamp lies half a sample or more off an even grid: samples are
        missing there, or the clock was set.

    Examples
    --------
    >>> rate_of([(0, np.arange(5) / 100)], 4)
    (100.0, '')
    >>> rate_of([(0, np.array([0.0, 0.01, 0.06, 0.07]))], 3)
    (None, 'is sampled unevenly: a time stamp lies 0.0133 s off an even grid of 0.0233 s')
    """
    if last < 1:
        return None, "has a single time stamp"
    begin, end = float(stretches[0][1][0]), float(stretches[-1][1][-1])
    period = (end - begin) / last
    if not period > 0:
        return None, "has time stamps that do not grow"
    off = max(
        float(np.abs(stamps - begin - period * np.arange(first, first + len(stamps))).max())
        for first, stamps in stretches
    )
    if not off < period / 2:
        return None, f"is sampled unevenly: a time stamp lies {off:.3g} s off an even grid of {period:.3g} s"
    return 1 / period, ""
