"""Magnitude spectral subtraction: the near channel less the far channel's magnitude, at the near channel's phase.

With C and F the short-time spectra of the near and far channel, |Y| = max(|C| - beta |F|, floor |C|) in every frame and
bin, with the phase of C. Needs no coherence between the microphones, but takes away the machine, too, as loud as the
far microphone hears it. Boll, "Suppression of acoustic noise in speech using spectral subtraction" (IEEE Trans. ASSP,
1979), with the relative floor of Berouti, Schwartz and Makhoul (ICASSP 1979); window and defaults as in the DCASE 2026
technical report of Qian, where it cost half a point. 'asdcore audit-views' shows what it does to your data.

Two FFTs and one inverse for each frame; a few spectra of the clip are held at once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.nn.stft import Stft, near_and_far


class SpectralSubtraction:
    """Subtract ``beta`` times the far magnitude, down to ``floor`` times the near one. n_fft, hop in samples."""

    def __init__(self, beta: float = 1.0, floor: float = 0.1, n_fft: int = 512, hop: int = 256) -> None:
        if not 0 <= beta < math.inf or not 0 <= floor <= 1:
            raise ValueError(f"beta must be 0 or more and floor from 0 to 1, got beta={beta}, floor={floor}")
        self._beta, self._floor = beta, floor
        self._stft = Stft(n_fft, hop)

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> (n_samples,); raises DataError for other channel counts and clips within one window."""
        channels = near_and_far(audio, "spectral_subtraction", self._stft.n_fft)
        near, far = self._stft.spectra(channels)
        loudness = np.abs(near)
        left = np.maximum(loudness - self._beta * np.abs(far), self._floor * loudness)
        gain = np.divide(left, loudness, out=np.zeros_like(left), where=loudness > 0)
        return self._stft.waveform(near * gain, audio.shape[1]).astype(np.float32)
