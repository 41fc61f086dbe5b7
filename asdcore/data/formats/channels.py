"""What a file of a logger holds: channels with a name, a sample rate, a unit and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return the samples (stop - start,) of a channel, in its unit."""

    def close(self) -> None:
        """Close the file."""


class Opens(Protocol):
    """What a format's module offers."""

    def __call__(self, path: Path) -> ChannelFile:
        """Open a file; any error that is no DataError says that the file is damaged."""


def chosen(channels: Sequence[Channel], asked: str | None, name: str) -> Channel:
    """Return the channel that is asked for, by its name or its number counted from 1; the only one if none is.

    Raises DataError, beginning with ``name``, if there is no such channel, several to choose from, or no sound in it.
    """
    channel = _asked(channels, asked, name)
    if channel.trouble:
        raise DataError(f"{name}: its channel {channel.name} {channel.trouble}")
    return channel


def _asked(channels: Sequence[Channel], asked: str | None, name: str) -> Channel:
    if not channels:
        raise DataError(f"{name}: holds no channel of numbers in time")
    if asked is None:
        if len(channels) == 1:
            return channels[0]
        first = channels[0].name
        raise DataError(
            f"{name}: has {len(channels)} channels and none is chosen: {_listed(channels)}. Choose one, by the column "
            f"channel of clips.csv ({first}), or by a name that ends in '#channel={first}'"
        )
    named = [channel for channel in channels if channel.name == asked]
    if len(named) == 1:
        return named[0]
    if named:
        raise DataError(f"{name}: has {len(named)} channels called {asked!r}; choose one by its number, counted from 1")
    if asked.isdecimal() and 1 <= int(asked) <= len(channels):
        return channels[int(asked) - 1]
    raise DataError(f"{name}: has no channel {asked!r}. {did_you_mean(asked, [channel.name for channel in channels])}")


def _listed(channels: Sequence[Channel]) -> str:
    names = ", ".join(channel.name for channel in channels[:SHOWN])
    return f"{names} and {len(channels) - SHOWN} more" if len(channels) > SHOWN else names
