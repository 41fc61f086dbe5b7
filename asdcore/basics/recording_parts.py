"""Names of parts: a clip may be a stretch of time, or one channel, of a recording that is longer or has more.

    hall/pump.wav                           all of a recording
    hall/pump.wav#t=10-20                   from second 10 to second 20
    hall/pump.wav#t=10-&channel=2           from second 10 to the end, of the second channel
    hall/pump.wav#channel=Accel%20X         one channel, by its name
    hall/pump.mat#channel=DE&rate=12000     samples at 12 kHz, which the file itself does not say
    hall/pump.mat#rate=12000&unit=g         and in g

What follows '#' is the fragment. It is in every table beside the file, so a clip's name says which sound it is, and no
file on disk needs to be cut. Characters of a channel's name that a file's name should not have stand as in a URL.
"""

from __future__ import annotations

import hashlib
import math
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

_NUMBER = r"\d+(?:\.\d+)?"
_TIME = rf"t={_NUMBER}-(?:{_NUMBER})?"
_CHANNEL = r"channel=[\w~%-]+"
_RATE = r"rate=[1-9]\d*"
_UNIT = r"unit=[\w~%-]+"
_FRAGMENT = rf"(?=.)(?:{_TIME}(?:&|\Z))?(?:{_CHANNEL}(?:&|\Z))?(?:{_RATE}(?:&|\Z))?(?:{_UNIT})?(?<!&)"
_PART = re.compile(rf"(?P<file>.*\.\w+)#(?P<fragment>{_FRAGMENT})", re.ASCII | re.DOTALL)


class Part(NamedTuple):
    """What a clip's name says: the file, and which part of it.

    start, end : seconds as text, so that no digit is lost; None: from the beginning, to the end. channel : its name, or
    its number counted from 1; None: all. rate, unit : Hz, and such as "g", of a file that does not say them.
    """

    file: str
    start: str | None = None
    end: str | None = None
    channel: str | None = None
    rate: int | None = None
    unit: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its file."""
        return self[1:] == (None,) * 5

    @property
    def seconds(self) -> tuple[Decimal, Decimal | None]:
        """Begin and end in seconds; None: the end of the recording."""
        return Decimal(self.start or 0), None if self.end is None else Decimal(self.end)

    def meets(self, other: Part) -> bool:
        """Whether this part and another one of the same file may have sound in common.

        A channel that is named and one that is counted may be the same.
        """
        (begin, end), (start, stop) = self.seconds, other.seconds
        if (stop is not None and begin >= stop) or (end is not None and start >= end):
            return False
        if self.channel is None or other.channel is None:
            return True
        return self.channel == other.channel or self.channel.isdecimal() is not other.channel.isdecimal()


def part_of(name: str) -> Part:
    """Return what a clip's name says: its file, and which part of it the clip is.

    Parameters
    ----------
    name : str
        A clip's name, with or without folders.

    Returns
    -------
    Part
        ``file``, and ``start``, ``end`` (seconds as text), ``channel``, ``rate`` and ``unit``; None for what the name
        leaves out. ``seconds`` has begin and end as decimal numbers.

    Examples
    --------
    >>> asdcore.part_of("hall/pump.wav#t=10-12.5&channel=2")
    Part(file='hall/pump.wav', start='10', end='12.5', channel='2', rate=None, unit=None)
    >>> asdcore.part_of("hall/pump.wav").is_whole
    True
    """
    if "#" not in name or (match := _PART.fullmatch(name)) is None:
        return Part(name)
    values = dict(word.split("=", 1) for word in match["fragment"].split("&"))
    start, _, end = values.get("t", "").partition("-")
    channel, rate, unit = (values.get(name) for name in ("channel", "rate", "unit"))
    return Part(
        match["file"],
        start or None,
        end or None,
        None if channel is None else unquote(channel),
        None if rate is None else int(rate),
        None if unit is None else unquote(unit),
    )


def part_name(
    path: str,
    start: float | str | None = None,
    end: float | str | None = None,
    channel: str | int | None = None,
    rate: int | None = None,
    unit: str | None = None,
) -> str:
    """Return the name of a clip that is a part of a recording: what a dataset reader puts into the clip index.

    Parameters
    ----------
    path : str
        The recording, relative to the root of the dataset.
    start, end : float or str, optional
        Seconds from the beginning of the recording. Default: its beginning and its end.
    channel : str or int, optional
        The channel's name, or its number counted from 1. Default: all channels.
    rate : int, optional
        The sample rate in Hz, if the file does not say it.
    unit : str, optional
        The unit of the samples, such as "g", if the file does not say it.

    Returns
    -------
    str
        The path and the part, or the path alone if the part is all of it.

    Raises
    ------
    ValueError
        If a time is not a finite number of seconds from 0 on.

    Examples
    --------
    >>> asdcore.part_name("hall/pump.wav", start=10, end=12.5)
    'hall/pump.wav#t=10-12.5'
    >>> asdcore.part_name("hall/pump.wav", channel="Accel X")
    'hall/pump.wav#channel=Accel%20X'
    >>> asdcore.part_name("hall/pump.wav")
    'hall/pump.wav'
    """
    words = []
    if start is not None or end is not None:
        words.append(f"t={seconds_text(start or 0)}-{'' if end is None else seconds_text(end)}")
    if channel is not None:
        words.append(f"channel={_quoted(channel)}")
    if rate is not None:
        words.append(f"rate={rate}")
    if unit is not None:
        words.append(f"unit={_quoted(unit)}")
    return f"{path}#{'&'.join(words)}" if words else path


def _quoted(text: str | int) -> str:
    return quote(str(text), safe="").replace(".", "%2E")


def seconds_text(seconds: float | str | Decimal) -> str:
    """Write seconds as names have them: plain digits, no more than needed; raises ValueError if they cannot be a time.

    Examples
    --------
    >>> seconds_text("1.50"), seconds_text(1e-05), seconds_text(20.0)
    ('1.5', '0.00001', '20')
    """
    try:
        value = Decimal(str(seconds).strip())
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0 or not math.isfinite(float(value)):
        raise ValueError(f"{seconds!r} is not a time in seconds")
    return f"{value.normalize():f}" if value else "0"


def recording_name(name: str) -> str:
    """Return the file's name in a clip's name."""
    return name if is_whole(name) else part_of(name).file


def is_whole(name: str) -> bool:
    """Whether a clip's name is quickly seen to be that of a whole file: there may be a million."""
    return "#" not in name


def recording_path(path: Path) -> Path:
    """Return the file that holds a clip, given the path that its name makes."""
    part = part_of(path.name)
    return path if part.is_whole else path.with_name(part.file)


def part_digest(name: str, sha256: str) -> str:
    """Return the digest of a clip from its name and the SHA-256 of its file: the file's own if it is all of the file.

    Examples
    --------
    >>> part_digest("a.wav", "00ff")
    '00ff'
    >>> part_digest("a.wav#t=0-1", "00ff") == part_digest("folder/b.wav#t=0-1", "00ff")
    True
    """
    part = part_of(name)
    if part.is_whole:
        return sha256
    fragment = part_name("", *part[1:])
    return hashlib.sha256(f"asdcore part v1\0{sha256}\0{fragment}".encode()).hexdigest()
