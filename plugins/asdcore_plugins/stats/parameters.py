"""Checks of a component's parameters. Each returns the value, or raises a ValueError that names the parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeGuard

from asdcore import METRICS, REFERENCES

MOST = 2**32 - 1
"""The largest seed that random generators take."""


def whole(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least ``least`` and at most 2^32 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST:
        raise ValueError(f"{name} must be a whole number from {least} to {MOST}, got {value!r}")
    return value


def whole_or_none(name: str, value: object, least: int = 1) -> int | None:
    """Return None, or a whole number of at least ``least`` and at most 2^32 - 1."""
    return None if value is None else whole(name, value, least)


def between(
    name: str, value: object, low: float, high: float, *, low_included: bool = False, high_included: bool = False
) -> float:
    """Return a number above ``low`` and below ``high``, or equal to one of them if that is included.

    Examples
    --------
    >>> between("share", 1.5, 0, 1, high_included=True)
    Traceback (most recent call last):
    ValueError: share must be a number above 0 and at most 1, got 1.5
    """
    if _is_number(value) and (
        low < value < high or (low_included and value == low) or (high_included and value == high)
    ):
        return float(value)
    limits = f"{'of at least' if low_included else 'above'} {low:g}"
    if high < math.inf:
        limits += f" and {'at most' if high_included else 'below'} {high:g}"
    raise ValueError(f"{name} must be a number {limits}, got {value!r}")


def fraction(name: str, value: object) -> float:
    """Return a number from 0 to 1, both included."""
    if _is_number(value) and 0 <= value <= 1:
        return float(value)
    raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")


def flag(name: str, value: object) -> bool:
    """Return a parameter that is true or false; raise ValueError if it is something else."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value


def choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return a value that is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def metric_name(metric: str) -> str:
    """Return the name of a metric."""
    return choice("metric", metric, METRICS)


def reference_names(references: Sequence[str]) -> tuple[str, ...]:
    """Return the names of at least one reference."""
    if not references or set(references) - set(REFERENCES):
        raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
    return tuple(references)


def check_quantiles(**values: float) -> None:
    """Raise ValueError for a value that is not a number between 0 and 1."""
    for name, value in values.items():
        if not (_is_number(value) and 0 < value < 1):
            raise ValueError(f"{name} must be between 0 and 1, got {value}")


def check_branch(name: str, value: object) -> None:
    """Raise ValueError for anything but the name of a branch."""
    if not (isinstance(value, str) and value):
        raise ValueError(f"{name} must be the name of a branch, got {value!r}")


def share_of(share: float, n: int) -> int:
    """Return ceil(share * n), the share being the decimal number that a person wrote.

    In floating point 0.54 * 450 is a little more than 243, and its ceiling 244.

    Examples
    --------
    >>> share_of(0.54, 450)
    243
    """
    return math.ceil(exact(share) * n)


def exact(number: float) -> Fraction:
    """Return the decimal number that a person wrote, which is what ``repr`` of the float gives back."""
    return Fraction(repr(float(number)))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
