"""One channel of a recording, the mean of all, the difference of two, or both as they are.

Since 2026 the DCASE recordings have two channels: the first is the microphone near the machine (what earlier years
recorded), the second one farther away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.nn.stft import near_and_far

NEAR, FAR = 0, 1


class Channel:
    """One channel, as recorded."""

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(n_channels, n_samples) -> (n_samples,); raises DataError where the channel does not exist."""
        if len(audio) <= self._channel:
            raise DataError(
                f"the far channel is asked for, but the recording has {len(audio)} channel. "
                "Use the view 'near' for recordings of one channel."
            )
        one: NDArray[np.float32] = audio[self._channel].copy()
        return one


class Mean:
    """The mean of all channels."""

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(n_channels, n_samples) -> (n_samples,)."""
        mixed: NDArray[np.float32] = audio.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mixed


class Difference:
    """Near minus far, sample by sample: as a gradient microphone, it is deaf to low sound from afar."""

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> (n_samples,); raises DataError for other channel counts."""
        channels = near_and_far(audio, "difference")
        difference: NDArray[np.float32] = (channels[0] - channels[1]).astype(np.float32)
        return difference


class Stereo:
    """Both channels as recorded, for encoders that compare them."""

    channels = 2

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> the same, near and far; raises DataError for other channel counts."""
        return near_and_far(audio, "stereo").astype(np.float32)


def near() -> Channel:
    """Build the view of the first channel."""
    return Channel(NEAR)


def far() -> Channel:
    """Build the view of the second channel."""
    return Channel(FAR)
