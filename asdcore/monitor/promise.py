"""Turns a budget of false alarms, such as one a week, into the threshold of a window.

Of W normal windows, W times alpha lie above a threshold that one normal window exceeds with a probability of at most
alpha. Every alarm takes k of them for itself: it begins with k windows above, and none of the last n is above it when
the next may begin. So at most W alpha / k alarms are expected, whether or not neighbouring windows are alike: the
expectation of a sum is the sum of expectations. The threshold is the conformal one (:mod:`asdcore.stages.decide`).
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple

from asdcore.errors import DataError

UNITS = {"hour": 3600, "day": 86400, "week": 604800, "month": 2629746, "year": 31556952}
"""Seconds. A month and a year are those of the Gregorian calendar, on average."""

_SLACK = Fraction(1, 10**9)
"""What rounding to floats may have taken from a number."""

FORM = re.compile(r"(?P<count>[0-9]+(?:\.[0-9]+)?)\s*(?:per|/|a|an)\s*(?P<unit>[a-z]+?)s?", re.IGNORECASE)


class Budget(NamedTuple):
    """How many false alarms are allowed in a unit of time."""

    alarms: Fraction
    unit: str

    def rate(self, hop: float, k: int) -> Fraction:
        """Return the probability with which one normal window may lie above the threshold.

        hop : seconds from one window to the next. k : windows above the threshold that an alarm needs.
        """
        return self.alarms * k * Fraction(hop) / UNITS[self.unit]


def budget_of(text: str) -> Budget:
    """Read a budget of false alarms.

    Parameters
    ----------
    text : str
        Such as "1 per week" or "0.5 per day".

    Returns
    -------
    Budget

    Raises
    ------
    DataError
        If it says no number, or no unit of time.

    Examples
    --------
    >>> budget_of("1 per week")
    Budget(alarms=Fraction(1, 1), unit='week')
    """
    match = FORM.fullmatch(text.strip())
    if not match or match["unit"].lower() not in UNITS or not Fraction(match["count"]):
        raise DataError(f"The promise is {text!r}; a number per {', '.join(UNITS)} is allowed, such as '1 per week'.")
    return Budget(Fraction(match["count"]), match["unit"].lower())


def expected(rate: float, hop: float, k: int, unit: str) -> float:
    """Return how many false alarms are expected at most in a unit of time; the reverse of :meth:`Budget.rate`."""
    return rate * UNITS[unit] / (k * hop)


def in_words(rate: float, hop: float, k: int) -> str:
    """Return the false alarms that a rate of windows may give at most, rounded up, in the unit that reads best."""
    for unit in UNITS:
        if (count := expected(rate, hop, k, unit)) >= 1:
            break
    digits = 1 - math.floor(math.log10(count))
    step = Fraction(10) ** -digits
    return f"{float(math.ceil(Fraction(count) * (1 + _SLACK) / step) * step):.{max(0, digits)}f} per {unit}"
