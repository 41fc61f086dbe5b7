"""What is noticed of a recording while it is read, block by block: still channels, its sound, its level."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from asdcore.data.recordings.loudness import Loudness
from asdcore.data.recordings.sound_digest import SoundDigest
from asdcore.data.recordings.still_channels import StillChannels


class NoticedSound:
    """What was noticed of a recording so far.

    Parameters
    ----------
    channels, sample_rate : int
        Of the recording; the rate in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> heard = NoticedSound(1, 16000)
    >>> heard.hear(np.array([[0.5], [-0.5]], np.float32))
    >>> heard.facts["still"], heard.facts["level"]
    (0, -6.02)
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._channels, self._digest = StillChannels(channels), SoundDigest(sample_rate, channels)
        self._loudness = Loudness()

    def hear(self, block: NDArray[Any]) -> None:
        """Take in the next samples, (n_samples, n_channels) of int16, or of float32 in [-1, 1]."""
        self._channels.hear(block)
        self._digest.update(block)
        self._loudness.hear(block)

    @property
    def facts(self) -> dict[str, Any]:
        """The values of :class:`asdcore.data.recordings.audio.AudioFacts` that take all samples."""
        return {
            "still": self._channels.bits,
            "sound": self._digest.hexdigest(),
            "level": self._loudness.decibels,
        }
