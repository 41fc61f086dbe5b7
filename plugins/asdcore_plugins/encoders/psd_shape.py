"""The shape of a clip's power spectral density: an encoder without weights that does not hear how loud a clip is.

Welch's estimate (IEEE Trans. Audio Electroacoust., 1967; Hann windows that overlap by half, each less its mean), its
mean in each of 96 bands evenly spaced on a logarithmic axis from 10 to 4000 Hz, in dB, less the mean of all bands. So a
gain of the recording falls away, and the low orders of what turns are resolved better than by mel bands. Patches are
(n_clips, 1, n_bands, 1): Welch's mean over the clip is the pooling, and every other over time changes nothing.

What is left after the last whole window, less than half of one, is not heard; a clip shorter than a window is one that
goes on in silence. Costs one FFT of n_fft samples for every n_fft / 2 samples, 0.5 s at the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from asdcore import DataError, Tokens
from asdcore_plugins.nn.bands import LogBands

FLOOR = 1e-16
"""The smallest density before the logarithm, full scale squared per Hz: 20 dB below what rounding to 16 bits makes."""


class PsdShape:
    """Spectrum without its level. sample_rate in Hz; n_fft in samples; n_bands from low to high Hz."""

    layers = (0,)

    def __init__(
        self, sample_rate: int = 16000, n_fft: int = 8192, n_bands: int = 96, low: float = 10.0, high: float = 4000.0
    ) -> None:
        if sample_rate < 1 or n_fft < 2 or n_fft % 2:
            raise ValueError(f"sample_rate must be above 0, n_fft even, got {sample_rate} and {n_fft}")
        self.sample_rate = sample_rate
        self._n_fft = n_fft
        self._bands = LogBands(n_fft // 2 + 1, sample_rate / n_fft, n_bands, low, high)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, n_samples) float32 -> {0: Tokens with patches (n_clips, 1, n_bands, 1)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"psd_shape has the one layer 0, not {unknown}")
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")
        patches = np.stack([self._shape(clip) for clip in audio])[:, None, :, None]
        return {layer: Tokens(patches) for layer in layers}

    def _shape(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) -> (n_bands,) in dB, of mean 0."""
        padded = np.pad(clip.astype(np.float64), (0, max(0, self._n_fft - len(clip))))
        _, density = welch(padded, self.sample_rate, nperseg=self._n_fft)
        decibels = 10.0 * np.log10(np.maximum(self._bands(density), FLOOR))
        shape: NDArray[np.float32] = (decibels - decibels.mean()).astype(np.float32)
        return shape
