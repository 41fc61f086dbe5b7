"""The sample rates that a recording may have."""

from __future__ import annotations

from asdcore.errors import DataError

RATES = (1_000, 4_000_000)
"""Sample rates in Hz that a file may say. Resampling from 1 Hz would take all memory there is."""


def check_rate(rate: int, name: str) -> int:
    """Return a sample rate in Hz; raises DataError, beginning with ``name``, if no recording may have it."""
    low, high = RATES
    if not low <= rate <= high:
        raise DataError(f"{name}: its header says {rate} Hz, from {low:,} to {high:,} Hz is allowed")
    return rate
