"""Reads a sample rate off time stamps, and sees whether they jump."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError

SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
    "min": 60.0, "h": 3600.0,
}  # fmt: skip
"""Units of time, in seconds; both letters that look like a mu."""

LOOKED_AT = 4096
"""Time stamps that are looked at when a long file is opened, at its begin and at its end."""

COARSE = 1.5
"""Time stamps may be written in steps that are coarser than a sample: this many samples, and they are."""


def both_ends(n_stamps: int, read: Callable[[int, int], NDArray[Any]]) -> list[tuple[int, NDArray[Any]]]:
    """Return the first and the last time stamps, for :func:`rate_of`. read : of (start, stop)."""
    starts = sorted({0, max(0, n_stamps - LOOKED_AT)})
    return [(start, read(start, min(start + LOOKED_AT, n_stamps))) for start in starts]


def check_steps(stamps: NDArray[Any], rate: float, first: int, name: str) -> None:
    """Raise DataError if time jumps between two neighbouring samples: some are missing there, or the clock was set.

    Parameters
    ----------
    stamps : ndarray (n_samples,)
        Time stamps in seconds.
    rate : float
        Samples a second.
    first : int
        The number of the first of these samples.
    name : str
        The channel.
    """
    if len(stamps) < 2:
        return
    steps, period = np.diff(stamps), 1 / rate
    worst = int(np.abs(steps - period).argmax())
    if not abs(steps[worst] - period) < max(period / 2, COARSE * _coarseness([(0, stamps)], period)):
        raise DataError(
            f"its channel {name} is sampled unevenly: from its sample {first + worst} to the next, time goes on by "
            f"{steps[worst]:.6g} s and not by {period:.6g} s"
        )


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
        missing there, or the clock was set. Stamps that are written in steps coarser than a sample may lie off by such
        a step.

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
    if not off < max(period / 2, _coarseness(stretches, period)):
        return None, f"is sampled unevenly: a time stamp lies {off:.3g} s off an even grid of {period:.3g} s"
    return 1 / period, ""


def _coarseness(stretches: Sequence[tuple[int, NDArray[Any]]], period: float) -> float:
    """Return the step in which time stamps are written, in seconds, if it is coarser than a sample; else 0."""
    step, repeats = math.inf, False
    for _, stamps in stretches:
        steps = np.diff(stamps)
        repeats = repeats or bool((steps == 0).any())
        step = float(steps[steps > 0].min(initial=step))
    if not repeats:
        return 0.0
    return step if COARSE * period < step < np.inf else 0.0
