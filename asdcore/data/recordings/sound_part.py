"""A part of an open sound file, read as if it were a file of its own."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from asdcore.basics.recording_parts import Part
from asdcore.data.formats.measured_sound import MEASURED
from asdcore.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SoundPart:
    """A stretch of time or a channel of an open sound file; it has those attributes of SoundFile that are used.

    Parameters
    ----------
    sound : soundfile.SoundFile or MeasuredSound
        The whole, open for reading. Of a logger's file it is the channel already, at its rate.
    part : Part
        What is wanted of it.
    name : str
        What errors begin with.

    Raises
    ------
    DataError
        If the recording does not have that stretch or channel, or another sample rate.
    """

    def __init__(self, sound: Any, part: Part, name: str) -> None:
        if sound.format == MEASURED:
            part = part._replace(channel=None, rate=None)
        if part.rate not in (None, sound.samplerate):
            raise DataError(
                f"{name}: the sample rate is given as {part.rate} Hz, and the file says {sound.samplerate} Hz. Give "
                "the rate only of files that do not say it"
            )
        self._sound, self._first, self._next = sound, 0, 0
        self._first, stop = samples_of(part, sound.samplerate, sound.frames)
        _check_stretch(part, self._first, stop, sound, name)
        self._channel = None if part.channel is None else _channel(part.channel, sound.channels, name)
        self.format, self.subtype, self.samplerate = sound.format, sound.subtype, sound.samplerate
        self.channels = sound.channels if self._channel is None else 1
        self.frames = stop - self._first
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go to a sample of the part."""
        self._next = frame
        self._sound.seek(self._first + frame)

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> NDArray[np.float32]:
        """Return the next samples (n, n_channels), fewer at the end of the part."""
        wanted = min(frames, self.frames - self._next)
        samples: NDArray[np.float32] = self._sound.read(wanted, dtype=dtype, always_2d=True)
        self._next += len(samples)
        return samples if self._channel is None else samples[:, self._channel : self._channel + 1]


def samples_of(part: Part, sample_rate: int, n_samples: int) -> tuple[int, int]:
    """Return the first sample of a part of a recording, and the one behind its last.

    A time between two samples is that of the nearer one. The part may reach beyond the recording.
    """
    start, end = part.seconds
    return _sample(start, sample_rate), n_samples if end is None else _sample(end, sample_rate)


def _sample(seconds: Decimal, sample_rate: int) -> int:
    return int((seconds * sample_rate).to_integral_value(ROUND_HALF_UP))


def _check_stretch(part: Part, first: int, stop: int, sound: Any, name: str) -> None:
    """Raise DataError if a recording does not have these samples."""
    has = f"the recording lasts {sound.frames / sound.samplerate:.6g} s"
    start, end = part.seconds
    if end is not None and start >= end:
        raise DataError(f"{name}: begins at {part.start} s and ends at {part.end} s; the end must come after the start")
    if first >= sound.frames:
        raise DataError(f"{name}: begins at {part.start} s, and {has}")
    if stop > sound.frames:
        raise DataError(f"{name}: ends at {part.end} s, and {has}")
    if first == stop:
        raise DataError(f"{name}: is shorter than a sample at {sound.samplerate} Hz")


def _channel(channel: str, channels: int, name: str) -> int:
    """Return the index of a channel; raises DataError if there is no such channel."""
    if channel.isdecimal() and 1 <= int(channel) <= channels:
        return int(channel) - 1
    allowed = "1 alone" if channels == 1 else f"1 to {channels}"
    raise DataError(f"{name}: has no channel {channel!r}; its channels are counted from 1, so {allowed} is allowed")
