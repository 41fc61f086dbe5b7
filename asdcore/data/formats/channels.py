"""What a file of a logger holds: channels with a name, a sample rate, a unit and samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asdcore.basics.recording_parts import part_name
from asdcore.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 12
"""Channels that a message names."""


@dataclass(frozen=True)
class Channel:
    """One channel of a file. rate : Hz; None if the file does not say it. unit : "" if the file does not say it.

    key : where the reader of the format finds it. trouble : why it is no sound, such as "is sampled unevenly".
    """

    name: str
    rate: float | None
    unit: str
    n_samples: int
    key: Any = None
    trouble: str = ""


class ChannelFile(Protocol):
    """An open file of a logger."""

    @property
    def channels(self) -> Sequence[Channel]:
        """The channels that hold numbers in time."""

    @property
    def others(self) -> Mapping[str, str]:
        """What else the file holds, and why it is no channel: {"tt": "a timetable"}."""

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return the samples (stop - start,) of a channel, in its unit."""

    def close(self) -> None:
        """Close the file."""


class Opens(Protocol):
    """What a format's module offers."""

    def __call__(self, path: Path) -> ChannelFile:
        """Open a file; any error that is no DataError says that the file is damaged."""


def stated_rate(statements: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the sample rate in Hz that a file says, None if it says none, and what is wrong with it, "" if nothing is.

    Parameters
    ----------
    statements : mapping
        What the file says, by the name under which it says so: numbers, or text that is one, in Hz.

    Examples
    --------
    >>> stated_rate({"fs": 25600.0}), stated_rate({})
    ((25600.0, ''), (None, ''))
    >>> stated_rate({"fs": "25.6 kHz"})[1]
    "says that fs is '25.6 kHz', and a number of Hz is allowed"
    >>> stated_rate({"fs": 25600, "sample_rate": 51200})[1]
    'says two sample rates: fs is 25600 Hz, sample_rate is 51200 Hz'
    """
    rates = {name: _number(value) for name, value in statements.items()}
    for name, rate in rates.items():
        if rate is None or not (math.isfinite(rate) and rate > 0):
            value = f"'{statements[name]}'" if isinstance(statements[name], str) else statements[name]
            return None, f"says that {name} is {value}, and a number of Hz is allowed"
    if len(set(rates.values())) > 1:
        each = ", ".join(f"{name} is {rate:.9g} Hz" for name, rate in rates.items())
        return None, f"says two sample rates: {each}"
    return next(iter(rates.values()), None), ""


def _number(value: Any) -> float | None:
    """Return a number, or text that is one, as a float; None if it is neither."""
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def chosen(file: ChannelFile, asked: str | None, name: str) -> Channel:
    """Return the channel that is asked for, by its name or its number counted from 1; the only one if none is.

    Raises DataError, beginning with ``name``, if there is no such channel, several to choose from, or no sound in it.
    """
    channel = _asked(file.channels, file.others, asked, name)
    if channel.trouble:
        raise DataError(f"{name}: its channel {channel.name} {channel.trouble}")
    return channel


def _asked(channels: Sequence[Channel], others: Mapping[str, str], asked: str | None, name: str) -> Channel:
    if not channels:
        raise DataError(f"{name}: holds no channel of numbers in time{_but(others)}")
    if asked is None:
        if len(channels) == 1:
            return channels[0]
        first = channels[0].name
        raise DataError(
            f"{name}: has {len(channels)} channels and none is chosen: {_listed([each.name for each in channels])}. "
            f"Choose one, by the column channel of clips.csv ({first}), or by a name that ends in "
            f"'{part_name('', channel=first)}'"
        )
    named = [channel for channel in channels if channel.name == asked]
    if len(named) == 1:
        return named[0]
    if named:
        numbers = " or ".join(str(number) for number, each in enumerate(channels, start=1) if each.name == asked)
        raise DataError(f"{name}: has {len(named)} channels called {asked!r}; choose one by its number: {numbers}")
    if asked.isdecimal() and 1 <= int(asked) <= len(channels):
        return channels[int(asked) - 1]
    if asked in others:
        raise DataError(f"{name}: its {asked} is no channel of numbers in time: {others[asked]}")
    raise DataError(f"{name}: has no channel {asked!r}. {did_you_mean(asked, [channel.name for channel in channels])}")


def _but(others: Mapping[str, str]) -> str:
    return f", but {_listed([f'{name} ({what})' for name, what in others.items()])}" if others else ""


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:SHOWN])
    return f"{first} and {len(names) - SHOWN} more" if len(names) > SHOWN else first
