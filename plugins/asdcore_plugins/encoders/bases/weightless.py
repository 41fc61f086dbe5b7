"""The base of encoders without weights: they compute the tokens of one clip at a time, and have one layer.

Everything is computed in float64 and without dense matrix products, so that a clip's tokens are the same bits whatever
clips are encoded with it and however many threads there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue, Tokens
from asdcore_plugins.stats.parameters import MOST, whole

Audio = NDArray[np.float32]

LAYER = 0
"""The one layer."""

Written = Mapping[int | str, tuple[OnnxValue, OnnxValue | None]]
"""What an encoder writes as ONNX: of each layer patches (time, band, dim), and special tokens (k, dim) or None."""


class WeightlessEncoder(ABC):
    """An encoder without weights. What a child adds: ``name``, as messages say it, and :meth:`patches`.

    Parameters
    ----------
    sample_rate : int
        Hz; audio is resampled to it.
    n_mels : int
        Mel bands from 0 Hz to half the sample rate, if a child has them.
    n_fft, hop : int
        Length (even) and distance of frames, in samples.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a mel band holds no frequency.
    """

    name: ClassVar[str]
    layers = (LAYER,)
    sample_rate: int
    not_parameters: ClassVar = {
        "exact": "It has no network, and computes in float64 as it is: its features are rounded once, to float32. "
        "Leave exact out."
    }

    def encode(self, audio: Audio, layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """Return the tokens of clips.

        Parameters
        ----------
        audio : (n_clips, n_samples) float32
            Or (n_clips, 2, n_samples) if the encoder has two channels.
        layers : sequence
            Layer 0 is the only one.

        Returns
        -------
        dict
            {0: Tokens}, with patches (n_clips, time, band, dim) float32.

        Raises
        ------
        ValueError
            If another layer is asked for.
        DataError
            If the audio has another shape, holds no sound, or its clips are too short.
        """
        if unknown := [layer for layer in layers if layer != LAYER]:
            raise ValueError(f"{self.name} has the one layer {LAYER}, not {unknown}")
        self.check(audio)
        patches = np.stack([self.patches(clip) for clip in audio])
        return {layer: Tokens(patches) for layer in layers}

    def check(self, audio: Audio) -> None:
        """Raise DataError if these clips cannot be encoded."""
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")

    @abstractmethod
    def patches(self, clip: Audio) -> Audio:
        """Return the tokens of one clip: (n_samples,), or (2, n_samples) -> (time, band, dim) float32."""


def written(patches: OnnxValue) -> Written:
    """Return patches (time, band) of a graph as those of the one layer, with dim 1, as float32 holds them."""
    return {LAYER: (as_float32(patches).reshape(0, 0, 1), None)}


def beside(*values: OnnxValue) -> OnnxValue:
    """Stack values (time, band) along a new last axis, as float32 holds them."""
    last = values[0].graph.constant([-1], np.int64)
    first, *others = (value.op("Unsqueeze", last) for value in values)
    return as_float32(first.op("Concat", *others, axis=2))


def as_float32(value: OnnxValue) -> OnnxValue:
    """Round a float64 value of a graph as float32 would."""
    return value.astype(np.float32).astype(np.float64)


def check_frames(names: str, sample_rate: int, n_mels: int, n_fft: int, hop: int) -> None:
    """Raise ValueError, which lists the names, unless all are whole, above 0, and sample_rate and n_fft even."""
    for name, value in {"sample_rate": sample_rate, "n_mels": n_mels, "n_fft": n_fft, "hop": hop}.items():
        whole(name, value, -MOST)
    if min(sample_rate, n_mels, n_fft, hop) < 1 or sample_rate % 2 or n_fft % 2:
        raise ValueError(f"{names} must be above 0, sample_rate and n_fft even")
