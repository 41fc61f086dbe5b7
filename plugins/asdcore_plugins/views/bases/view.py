"""The bases of views: what every view takes and gives, and what those share that work on short-time spectra."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.nn.front_ends.sound import InMemory, Sound
from asdcore_plugins.nn.front_ends.stft import Stft, check_near_and_far
from asdcore_plugins.nn.front_ends.stft_blocks import BlockSpectra, as_clip
from asdcore_plugins.stats.parameters import MOST, whole

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
    """A view of a near and a far channel, by way of their short-time spectra. A subclass implements :meth:`_made`.

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
    A recording shorter than a frame is refused. The spectra of a long one are computed block by block, and never held.
    """

    name: str

    def __init__(self, n_fft: int = 1024, hop: int = 512) -> None:
        self._stft = Stft(whole("n_fft", n_fft, -MOST), whole("hop", hop, -MOST))

    def hear_blocks(self, sound: Sound, sample_rate: int, temporary: Callable[[], IO[bytes]]) -> Iterator[Audio]:
        """Yield what an encoder is to hear of a recording of any length.

        Parameters
        ----------
        sound : Sound
            The recording: its length, and its channels (n_channels, n) by ``read(start, stop)``.
        sample_rate : int
            Hz.
        temporary : callable
            Returns an empty file, which is gone when it is closed.

        Yields
        ------
        (n,) float32
            One block of time after the other: put together, what a call gives.

        Raises
        ------
        DataError
            As a call does.
        """
        channels = len(sound.read(0, 1))
        check_near_and_far(channels, len(sound), view=self.name, shortest=self._stft.n_fft)
        for block in self._made(sound, BlockSpectra(self._stft, sound), sample_rate, temporary):
            yield block.astype(np.float32)

    def _heard(self, audio: Audio, sample_rate: int) -> Audio:
        return as_clip(self.hear_blocks(InMemory(audio), sample_rate, io.BytesIO))

    @abstractmethod
    def _made(
        self, sound: Sound, spectra: BlockSpectra, sample_rate: int, temporary: Callable[[], IO[bytes]]
    ) -> Iterator[NDArray[np.float32 | np.float64]]:
        """Yield blocks of the waveform, (n,) each, from the sound and its spectra."""
