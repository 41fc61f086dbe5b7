"""One channel of a logger's file, as if it were an open sound file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.recording_parts import Part
from asdcore.data.formats.channels import Channel, ChannelFile, chosen
from asdcore.data.formats.damage import damage
from asdcore.data.sample_rates import check_rate
from asdcore.errors import DataError

MEASURED = "measured"
"""The format of sound that a logger has measured."""

WHOLE = 1e-6
"""A rate that is as near to a whole number of Hz as this, relatively, is that number: files say 1/rate."""

NEAR = 1e-3
"""A rate that a person gives may differ so much, relatively, from one that is not a whole number."""


class MeasuredSound:
    """A channel with the attributes of SoundFile that are used; samples are in the channel's unit, not in [-1, 1].

    Parameters
    ----------
    file : ChannelFile
        The file, open.
    part : Part
        Which channel, and the rate and unit if the file does not say them.
    name : str
        What errors begin with.

    Raises
    ------
    DataError
        If no channel is chosen, the sample rate is unknown, no whole number of Hz or not allowed, or rate or unit are
        given otherwise than the file says them.
    """

    format, subtype, channels = MEASURED, "", 1

    def __init__(self, file: ChannelFile, part: Part, name: str) -> None:
        self._file, self._channel = file, chosen(file, part.channel, name)
        self._name, self._next = name, 0
        self.frames = self._channel.n_samples
        self.samplerate = check_rate(_rate(self._channel, part, name), name)
        self.unit = _unit(self._channel, part, name)
        if not self.frames:
            raise DataError(f"{name}: holds no samples")

    def seek(self, frame: int) -> None:
        """Go to a sample."""
        self._next = frame

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> NDArray[np.float32]:
        """Return the next samples (n, 1), fewer at the end."""
        stop = min(self._next + frames, self.frames)
        with damage(self._name):
            samples = self._file.read(self._channel, self._next, stop)
            if np.iscomplexobj(samples):
                raise DataError(f"its channel {self._channel.name} holds complex numbers, and samples are real")
        self._next += len(samples)
        with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN are refused
            return np.asarray(samples, dtype=np.float32).reshape(-1, 1)


def _rate(channel: Channel, part: Part, name: str) -> int:
    """Return the sample rate in Hz, of the file or else of the part."""
    if channel.rate is None:
        if part.rate is None:
            raise DataError(
                f"{name}: the file does not say the sample rate of its channel {channel.name}. Give it in Hz, by the "
                "column rate of clips.csv, or by a name that ends in '#rate=25600'"
            )
        return part.rate
    whole = round(channel.rate)
    if whole < 1 or abs(channel.rate - whole) > WHOLE * whole:
        if part.rate is not None and abs(channel.rate - part.rate) <= NEAR * part.rate:
            return part.rate
        raise DataError(
            f"{name}: has {channel.rate:.9g} samples a second by its own clock, and a whole number of Hz is allowed. "
            "Say which, by the column rate of clips.csv, or by a name that ends in '#rate=25600'"
        )
    if part.rate not in (None, whole):
        raise DataError(
            f"{name}: the sample rate is given as {part.rate} Hz, and the file says {whole} Hz. Give the rate only of "
            "files that do not say it"
        )
    return whole


def _unit(channel: Channel, part: Part, name: str) -> str:
    """Return the unit, of the file or else of the part; "" if it is unknown."""
    if channel.unit and part.unit not in (None, channel.unit):
        raise DataError(
            f"{name}: the unit is given as {part.unit}, and the file says {channel.unit}. Give the unit only of files "
            "that do not say it"
        )
    return channel.unit or part.unit or ""
