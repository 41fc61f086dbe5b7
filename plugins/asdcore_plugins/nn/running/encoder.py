"""The contract of encoders that have several layers: sound and layers are checked, then the tokens are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Tokens
from asdcore_plugins.nn.running.layers import checked_layers

Audio = NDArray[np.float32]


class LayeredEncoder(ABC):
    """An encoder with several layers. A subclass sets the attributes and implements :meth:`_encode`.

    Attributes
    ----------
    name : str
        What messages call it.
    sample_rate : int
        Hz of the sound that it hears.
    layers : sequence of int or str
        What may be asked for; the last is the default.
    exact : bool
        Whether it computes in float64, so that a run may keep features that are the same on every processor.
    """

    name: str
    sample_rate: int
    layers: Sequence[int | str]
    exact: bool = False

    def encode(self, audio: Audio, layers: Sequence[int | str] | None = None) -> dict[int | str, Tokens]:
        """Return the tokens of clips.

        Parameters
        ----------
        audio : (n_clips, n_samples) float32
            Sound at ``sample_rate``, in [-1, 1].
        layers : sequence of int or str, optional
            The layers wanted, by default the last.

        Returns
        -------
        dict
            {layer: Tokens}, with patches (n_clips, time, band, dim) float32, or float64 if it is exact.

        Raises
        ------
        ValueError
            If there is no such layer.
        DataError
            If a clip cannot be encoded: it holds no sound, is too short, or is not what the model takes.
        """
        wanted = checked_layers(self.layers[-1:] if layers is None else layers, self.layers, self.name)
        check_shape(audio)
        return self._encode(audio, wanted)

    @abstractmethod
    def _encode(self, audio: Audio, layers: Sequence[int | str]) -> dict[int | str, Tokens]:
        """Return the Tokens of each of these layers, each of which the encoder has."""


def check_shape(audio: Audio) -> None:
    """Raise DataError unless there is sound, (n_clips, n_samples)."""
    if audio.ndim != 2 or 0 in audio.shape:
        raise DataError(f"audio of shape {audio.shape} holds no sound to encode: it must be (n_clips, n_samples)")
