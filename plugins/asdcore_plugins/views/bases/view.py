"""The bases of views: what every view takes and gives, and what those share that work on short-time spectra."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.nn.front_ends.stft import Stft

Audio = NDArray[np.float32]


class ChannelView(ABC):
    """A view of a recording's channels. A subclass implements :meth:`_heard`."""

    def __call__(self, audio: Audio, sample_rate: int) -> Audio:
        """Return what an encoder is to hear of a clip.

        Parameters
        ----------
        audio : (n_channels, n_samples) float32
            The clip as recorded: the near channel, and since 2026 the far one.
        sample_rate : int
            Hz.

        Returns
        -------
        (n_samples,) float32
            Or (2, n_samples) if the view has ``channels = 2``. At the level of the recording, and always a copy.

        Raises
        ------
        DataError
            If the recording does not have the channels that the view needs, or is too short for it.
        """
        return self._heard(audio, sample_rate)

    @abstractmethod
    def _heard(self, audio: Audio, sample_rate: int) -> Audio:
        """(n_channels, n_samples) -> (n_samples,), or (2, n_samples)."""


class SpectralView(ChannelView):
    """A view by way of short-time spectra (:class:`asdcore_plugins.nn.front_ends.stft.Stft`).

    Parameters
    ----------
    n_fft, hop : int
        Length and distance of frames, in samples; the hop is at most half of n_fft.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    A recording shorter than a frame is refused. A few spectra of the clip are held at once.
    """

    def __init__(self, n_fft: int = 1024, hop: int = 512) -> None:
        self._stft = Stft(n_fft, hop)
