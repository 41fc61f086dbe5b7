"""Finds channels that have one value throughout: a dead microphone, a cable that was not plugged in, a broken file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HEAD = 64
"""Samples that are looked at first. Nearly every recording changes within them."""


class StillChannels:
    """The channels of a recording that have not changed so far.

    Parameters
    ----------
    channels : int
        How many the recording has.

    Examples
    --------
    >>> heard = StillChannels(2)
    >>> heard.hear(np.array([[0.5, 0.0], [0.5, 0.1]], np.float32))
    >>> heard.bits
    1
    """

    def __init__(self, channels: int) -> None:
        self._first: NDArray[Any] | None = None
        self._still = np.ones(channels, dtype=bool)

    @property
    def bits(self) -> int:
        """1 for the first channel, 2 for the second, 4 for the third, ..., added; 0 if all channels change."""
        return sum(1 << int(channel) for channel in np.flatnonzero(self._still[:MOST]))

    @property
    def are_none(self) -> bool:
        """Whether all channels have changed."""
        return not self._still.any()

    def hear(self, samples: NDArray[Any]) -> None:
        """Take in the next samples, (n_samples, n_channels), of whatever kind of number."""
        if self._first is None and len(samples):
            self._first = samples[0].copy()
        for start, stop in ((0, HEAD), (HEAD, len(samples))):
            if self._first is None or self.are_none:
                return
            part = samples[start:stop, self._still]
            self._still[self._still] = (part == self._first[self._still]).all(axis=0)


MOST = 62
"""Channels that are told apart, as bits of a whole number."""
