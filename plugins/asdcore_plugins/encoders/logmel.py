"""The encoder ``logmel``: the log-mel spectrogram of the official DCASE Task 2 baseline."""

from __future__ import annotations

import math

import numpy as np

from asdcore_plugins.encoders.bases.weightless import Audio, WeightlessEncoder, check_frames
from asdcore_plugins.nn.mel import MelSums, filled, slaney_bank
from asdcore_plugins.nn.stft import Floats, frame_powers, hann

FLOOR = 2.220446049250313e-16
"""The smallest mel value before the logarithm: float64 epsilon, as the baseline has it."""


class LogMel(WeightlessEncoder):
    """The log-mel spectrogram of the official DCASE Task 2 baseline: an encoder without weights.

    librosa's definition: a centred short-time spectrum with zeros beyond the ends, the Slaney mel scale with
    area-normalised triangles from 0 Hz to half the sample rate, and 20 / power * log10 of the mel spectrum. One token
    is one (frame, band), in dB; dim is 1. Ten seconds at 16 kHz give 313 frames.

    Parameters
    ----------
    sample_rate : int
        Hz, even.
    n_mels, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.weightless.WeightlessEncoder`.
    power : float
        Exponent of the magnitude spectrum before the mel sum, above 0.
    log : bool
        False gives the ``power``-th root of the mel spectrum instead: an amplitude.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> clips = np.random.default_rng(0).normal(size=(2, 160000)).astype(np.float32)
    >>> encoder = asdcore.load_encoder("logmel", n_mels=64)
    >>> encoder.encode(clips)[0].patches.shape
    (2, 313, 64, 1)
    """

    name = "logmel"

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop: int = 512,
        power: float = 2.0,
        log: bool = True,
    ) -> None:
        names = "sample_rate, n_fft, n_mels, hop and power"
        check_frames(names, sample_rate, n_mels, n_fft, hop)
        if not 0 < power < math.inf:
            raise ValueError(f"{names} must be above 0, sample_rate and n_fft even")
        self.sample_rate = sample_rate
        self._n_fft, self._hop, self._power, self._log = n_fft, hop, power, log
        self._window = hann(n_fft)
        self._mel = MelSums(filled(slaney_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0), n_fft))

    def patches(self, clip: Audio) -> Audio:
        """(n_samples,) -> (time, n_mels, 1)."""
        energy = self.energy(clip)
        mel = self._mel(energy if self._power == 2.0 else energy ** (self._power / 2.0))
        scaled = 20.0 / self._power * np.log10(np.maximum(mel, FLOOR)) if self._log else mel ** (1.0 / self._power)
        return np.ascontiguousarray(scaled.T, dtype=np.float32)[..., None]

    def energy(self, clip: Audio) -> Floats:
        """(n_samples,) -> squared magnitudes (time, n_fft // 2 + 1), a frame centred on every ``hop``-th sample."""
        padded = np.zeros(len(clip) + self._n_fft)
        padded[self._n_fft // 2 : self._n_fft // 2 + len(clip)] = clip
        return frame_powers(padded, self._window, self._hop)
