"""Checks of a component's parameters. Each returns the value, or raises the ValueError that names it.

Also the metrics and the references that scorers offer.
"""

from __future__ import annotations

import math
from fractions import Fraction

METRICS = ("cosine", "euclidean")
REFERENCES = ("pooled", "source", "target")

MOST = 2**32 - 1
"""The largest seed that random generators take."""


def whole(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least ``least`` and at most 2^32 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST:
        raise ValueError(f"{name} must be a whole number from {least} to {MOST}, got {value!r}")
    return value


def between(name: str, value: object, low: float, high: float) -> float:
    """Return a number above ``low`` and below ``high``."""
    if isinstance(value, int | float) and not isinstance(value, bool) and low < value < high:
        return float(value)
    raise ValueError(f"{name} must be a number above {low:g} and below {high:g}, got {value!r}")


def fraction(name: str, value: object) -> float:
    """Return a number from 0 to 1, both included."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")


def share_of(share: float, n: int) -> int:
    """Return ceil(share * n), the share being the decimal number that a person wrote.

    In floating point 0.54 * 450 is a little more than 243, and its ceiling 244.
    """
    return math.ceil(exact(share) * n)


def exact(number: float) -> Fraction:
    """Return the decimal number that a person wrote, which is what ``repr`` of the float gives back."""
    return Fraction(repr(float(number)))
