"""What views and encoders have in common: how many channels they say."""

from __future__ import annotations

from typing import Any

from asdcore.authoring.conformance.bench.driver import Bench, require
from asdcore.contract.interfaces import CHANNELS


def channels_of(component: Any) -> int:
    """Return how many channels a view gives or an encoder reads: 1, unless it says otherwise."""
    channels: int = getattr(component, "channels", 1)
    return channels


def check_channels(bench: Bench) -> None:
    """The attribute channels, if there is one, is 1 or 2."""
    channels = channels_of(bench.build())
    good = isinstance(channels, int) and not isinstance(channels, bool) and channels in CHANNELS
    why = "a view of so many channels is put before an encoder of as many."
    require(good, f"channels is {channels!r}, neither 1 nor 2.", why, "the channels of the recording were counted.")
