"""The log-mel spectrogram of the official DCASE Task 2 baseline: an encoder without weights.

librosa's definition: a centred short-time spectrum with zeros beyond the ends, the Slaney mel scale with
area-normalised triangles from 0 Hz to half the sample rate, and 20 / power * log10 of the mel spectrum. One token is
one (frame, band); dim is 1. Ten seconds at 16 kHz give 313 frames.

Everything is computed in float64 and without dense matrix products, so that a clip's tokens are the same bits whatever
clips are encoded with it and however many threads there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from asdcore import DataError, Tokens

Floats = NDArray[np.float64]

FLOOR = 2.220446049250313e-16
"""The smallest mel value before the logarithm: float64 epsilon, as the baseline has it."""


class LogMel:
    """Mel spectrogram in dB, or with ``log = False`` its ``power``-th root: an amplitude.

    sample_rate : Hz. n_mels bands; n_fft and hop in samples; power of the magnitude spectrum before the mel sum.
    """

    layers = (0,)

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop: int = 512,
        power: float = 2.0,
        log: bool = True,
    ) -> None:
        import torch

        if min(sample_rate, n_mels, hop, n_fft) < 1 or sample_rate % 2 or n_fft % 2 or not 0 < power < float("inf"):
            raise ValueError("sample_rate, n_fft, n_mels, hop and power must be above 0, sample_rate and n_fft even")
        self.sample_rate = sample_rate
        self._n_fft, self._hop, self._power, self._log = n_fft, hop, power, log
        self._bank = csr_array(mel_bank(sample_rate, n_fft, n_mels))
        self._window = torch.hann_window(n_fft, dtype=torch.float64)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, n_samples) float32 -> {0: Tokens with patches (n_clips, time, n_mels, 1)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"logmel has the one layer 0, not {unknown}")
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")
        patches = np.stack([self._spectrum(clip) for clip in audio])
        return {layer: Tokens(patches[..., None]) for layer in layers}

    def _spectrum(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) -> (time, n_mels)."""
        import torch

        spectrum = torch.stft(
            torch.from_numpy(clip.astype(np.float64)),
            self._n_fft,
            self._hop,
            window=self._window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        ).numpy()
        energy = np.square(spectrum.real) + np.square(spectrum.imag)
        mel = self._bank @ (energy if self._power == 2.0 else energy ** (self._power / 2.0))
        scaled = 20.0 / self._power * np.log10(np.maximum(mel, FLOOR)) if self._log else mel ** (1.0 / self._power)
        return np.ascontiguousarray(scaled.T, dtype=np.float32)


def mel_bank(sample_rate: int, n_fft: int, n_mels: int) -> Floats:
    """Triangles of unit area, evenly spaced on the Slaney mel scale: (n_mels, n_fft // 2 + 1)."""
    from transformers.audio_utils import mel_filter_bank

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty band is refused below
        bank: Floats = mel_filter_bank(
            num_frequency_bins=n_fft // 2 + 1,
            num_mel_filters=n_mels,
            min_frequency=0.0,
            max_frequency=sample_rate / 2.0,
            sampling_rate=sample_rate,
            norm="slaney",
            mel_scale="slaney",
        ).T
    if empty := int((~np.any(bank, axis=1)).sum()):
        raise ValueError(
            f"{empty} of {n_mels} mel bands hold no frequency of an FFT of {n_fft} samples: lower n_mels or raise n_fft"
        )
    return bank
