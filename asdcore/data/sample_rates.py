"""The sample rates that a recording may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asdcore.errors import DataError, PluginError

RATES = (1_000, 4_000_000)
"""Sample rates in Hz that a file may say. Resampling from 1 Hz would take all memory there is."""


def check_rate(rate: int, name: str) -> int:
    """Return a sample rate in Hz; raises DataError, beginning with ``name``, if no recording may have it."""
    low, high = RATES
    if not low <= rate <= high:
        raise DataError(f"{name}: its header says {rate} Hz, from {low:,} to {high:,} Hz is allowed")
    return rate


def check_heard(encoder: str, parameters: Mapping[str, Any]) -> None:
    """Raise PluginError for a parameter ``sample_rate`` of an encoder that no recording may have."""
    low, high = RATES
    rate = parameters.get("sample_rate", low)
    if not isinstance(rate, int) or isinstance(rate, bool) or not low <= rate <= high:
        raise PluginError(
            f"encoder {encoder!r}: sample_rate is {rate!r}; a whole number of Hz from {low:,} to {high:,} is allowed."
        )
