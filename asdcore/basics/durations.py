"""Writes how long sound is, in the unit that people would use."""

from __future__ import annotations

UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))


def duration(seconds: float) -> str:
    """Return a duration in hours, minutes or seconds, to three digits.

    Examples
    --------
    >>> duration(10800), duration(754.2), duration(0.5)
    ('3 h', '12.6 min', '0.5 s')
    """
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size or unit == "s")
    return f"{seconds / size:.3g} {unit}"
