"""Says why a recording is too long for a view or an encoder that holds it as a whole, and what to type.

Views and encoders that read in blocks (:mod:`asdcore.contract.long_sound`) hear recordings of any length. Any other
gets all samples at once, and often needs several times their memory; an encoder that needs far more, as attention over
a whole clip does, says by ``longest`` how many seconds it may be given.
"""

from __future__ import annotations

import inspect
from typing import Protocol

from asdcore.basics.durations import duration
from asdcore.compute.encoding.requests import Request
from asdcore.contract.plugins import installed
from asdcore.data.recordings.audio import HELD
from asdcore.errors import DataError, PluginError

WAYS = {
    "window_seconds": "window_seconds = 10 lets the encoder hear windows of 10 s",
    "beyond": "beyond = 'windows' lets the encoder hear windows",
    "window": "its parameter 'window' lets the encoder hear windows",
}
"""What to type, by a parameter that an encoder takes."""


class Length(Protocol):
    """What is known of how long a recording is."""

    @property
    def channels(self) -> int:
        """Return how many channels it has."""
        ...

    @property
    def sample_rate(self) -> int:
        """Return its sample rate in Hz."""
        ...

    @property
    def n_samples(self) -> int:
        """Return how many samples each channel has."""
        ...


def too_long(request: Request, encoder: object, seconds: float) -> str:
    """Say why an encoder is not given a clip of so many seconds at once; "" if it is."""
    allowed = longest(encoder)
    if allowed is None or seconds <= allowed:
        return ""
    return (
        f"lasts {duration(seconds)}. Encoder {request.encoder!r} hears a clip at once, and its memory allows "
        f"{duration(allowed)}. {_way(request, encoder)}"
    )


def too_large(request: Request, encoder: object, recording: Length) -> str:
    """Say why a view and an encoder, one of which needs the whole recording, are not given it; "" if they are."""
    size = 4 * recording.n_samples * recording.channels
    if size <= HELD:
        return ""
    return (
        f"lasts {duration(recording.n_samples / recording.sample_rate)}. View {request.view!r} with encoder "
        f"{request.encoder!r} needs it in memory as a whole: {size / 1e9:.2f} GB of samples, and {HELD / 1e9:.2f} GB "
        f"are allowed. {_way(request, encoder)}"
    )


def check_length(request: Request, encoder: object, seconds: float) -> None:
    """Raise DataError if an encoder may not be given a clip of so many seconds at once."""
    if why := too_long(request, encoder, seconds):
        raise DataError(f"it {why}")


def longest(encoder: object) -> float | None:
    """Return how many seconds of a clip may go through an encoder at once, or None if any."""
    seconds = getattr(encoder, "longest", None)
    if seconds is None or (isinstance(seconds, int | float) and seconds > 0):
        return seconds
    raise PluginError(f"the encoder says longest = {seconds!r}; a number of seconds above 0 is allowed, or None.")


def _way(request: Request, encoder: object) -> str:
    cut = "--seconds 10 (or [windows] seconds = 10 in the portfolio) makes clips of its windows"
    accepted = inspect.signature(installed().component("encoder", request.encoder).factory).parameters
    told = getattr(encoder, "in_windows", None)
    ways = [told] if told else [way for name, way in WAYS.items() if name in accepted]
    return f"In the portfolio, {ways[0]}; or {cut}." if ways else f"{cut}."
