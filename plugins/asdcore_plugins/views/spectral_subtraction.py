"""The view ``spectral_subtraction``: the near channel less the far channel's magnitude spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import count
from asdcore_plugins.nn.as_onnx.stft import spectra_to_onnx, waveform_to_onnx
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import Floats, Spectra
from asdcore_plugins.nn.front_ends.stft_blocks import BlockSpectra
from asdcore_plugins.views.bases.view import SpectralView


class SpectralSubtraction(SpectralView):
    """Magnitude spectral subtraction: the near channel less the far channel's magnitude, at the near channel's phase.

    With C and F the short-time spectra of the near and far channel, |Y| = max(|C| - beta |F|, floor |C|) in every
    frame and bin, with the phase of C. The view needs no coherence between the microphones. But it takes the machine
    away, too, as loud as the far microphone hears it. ``asdcore audit-views`` shows what it does to your data.

    Parameters
    ----------
    beta : float
        How much of the far magnitude is subtracted, 0 or more.
    floor : float
        The part of the near magnitude that always stays, from 0 to 1.
    n_fft, hop : int
        Of frames; see :class:`~asdcore_plugins.views.bases.view.SpectralView`.

    Notes
    -----
    Two FFTs and one inverse for each frame.

    References
    ----------
    The relative floor: Berouti, Schwartz and Makhoul, "Enhancement of speech corrupted by acoustic noise", ICASSP 1979.
    The method: S. Boll, "Suppression of acoustic noise in speech using spectral subtraction", IEEE Trans. ASSP, 1979.
    Window and defaults: Qian's technical report to DCASE 2026, where it cost half a point.

    Examples
    --------
    What both microphones hear alike is taken away, down to the floor:

    >>> import asdcore, numpy as np
    >>> noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> view = asdcore.load_view("spectral_subtraction", floor=0.1)
    >>> left = view(np.stack([noise, noise]), sample_rate=16000)
    >>> round(float(left.std() / noise.std()), 2)
    0.1
    """

    name = "spectral_subtraction"

    def __init__(self, beta: float = 1.0, floor: float = 0.1, n_fft: int = 512, hop: int = 256) -> None:
        if not 0 <= beta < math.inf or not 0 <= floor <= 1:
            raise ValueError(f"beta must be 0 or more and floor from 0 to 1, got beta={beta}, floor={floor}")
        super().__init__(n_fft, hop)
        self._beta, self._floor = beta, floor

    def _made(
        self, sound: Sound, spectra: BlockSpectra, sample_rate: int, temporary: Callable[[], IO[bytes]]
    ) -> Iterator[Floats]:
        return spectra.waveform(self._subtracted(*channels) for channels in spectra())

    def _subtracted(self, near: Spectra, far: Spectra) -> Spectra:
        loudness = np.abs(near)
        left = np.maximum(loudness - self._beta * np.abs(far), self._floor * loudness)
        subtracted: Spectra = near * np.divide(left, loudness, out=np.zeros_like(left), where=loudness > 0)
        return subtracted

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (2, n_samples) -> (n_samples,)."""
        near, far = (spectra_to_onnx(self._stft, audio.take(channel)) for channel in (0, 1))
        loudness = near.power().op("Sqrt")
        left = (loudness - self._beta * far.power().op("Sqrt")).op("Max", self._floor * loudness)
        gain = left / (loudness > 0.0).op("Where", loudness, 1.0)
        waveform = waveform_to_onnx(self._stft, near.scaled(gain), count(audio.take(0)))
        return waveform.astype(np.float32).astype(np.float64)
