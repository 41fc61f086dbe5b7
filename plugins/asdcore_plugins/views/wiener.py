"""A Wiener-like gain that a clip calibrates itself: how much louder near than far, against its own calm parts.

With M1 and M2 the mel powers of the near and far channel, rho = M1 / M2 in every frame and band, and c the 20th
percentile of rho over the frames of the clip in that band, which is rho while the machine is quiet: the gain is
G = clip(1 - beta c / rho, floor, 1)^alpha. Between the centres of bands it is interpolated, linearly in Hz, and it
stays constant outside of them; Y = G C with C the near spectrum. Needs no coherence between the microphones, but a
machine that pauses: one that runs steadily has a rho near c throughout, and is taken for noise. Described, without the
number of bands, in the public 2026 project SCOPE, where it neither helped nor harmed. 'asdcore audit-views' shows what
it does to your data.

Mel powers have a floor 120 dB below the clip's loudest, so that a silent channel is a ratio like any other. Two FFTs
and one inverse for each frame; a few spectra of the clip are held at once.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from asdcore import DataError
from asdcore_plugins.nn.mel import slaney_bank
from asdcore_plugins.nn.stft import Stft, near_and_far

Floats = NDArray[np.float64]

LEAST = 1e-12
"""Mel power that is added everywhere, as a part of the clip's loudest."""


class Wiener:
    """Gain from the ratio of the channels' mel powers.

    beta : how much of the calm ratio is subtracted; alpha : exponent; floor : smallest gain before the exponent;
    percentile : of the ratio, taken for calm; n_mels bands; n_fft and hop in samples.
    """

    def __init__(
        self,
        beta: float = 1.0,
        alpha: float = 1.0,
        floor: float = 0.05,
        percentile: float = 20.0,
        n_mels: int = 64,
        n_fft: int = 1024,
        hop: int = 512,
    ) -> None:
        if not (0 <= beta < math.inf and 0 < alpha < math.inf and 0 < floor <= 1 and 0 <= percentile <= 100):
            raise ValueError(
                "beta must be 0 or more, alpha above 0, floor above 0 and at most 1, percentile from 0 to 100, got "
                f"beta={beta}, alpha={alpha}, floor={floor}, percentile={percentile}"
            )
        if n_mels < 2:
            raise ValueError(f"n_mels must be at least 2, got {n_mels}")
        self._beta, self._alpha, self._floor, self._percentile = beta, alpha, floor, percentile
        self._n_mels, self._stft = n_mels, Stft(n_fft, hop)

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> (n_samples,); raises DataError for other channel counts and clips within one window."""
        channels = near_and_far(audio, "wiener", self._stft.n_fft)
        bank, centres = _bands(sample_rate, self._stft.n_fft, self._n_mels)
        spectra = self._stft.spectra(channels)
        mels = np.stack([(bank @ _power(one).T).T for one in spectra])
        loudest = float(mels.max())
        if loudest == 0.0:
            silence: NDArray[np.float32] = audio[0].copy()
            return silence
        near, far = mels + LEAST * loudest
        gain = self._gain(near / far)
        bins = np.arange(spectra.shape[-1]) * (sample_rate / self._stft.n_fft)
        smooth = np.stack([np.interp(bins, centres, frame) for frame in gain])
        return self._stft.waveform(spectra[0] * smooth, audio.shape[1]).astype(np.float32)

    def _gain(self, ratio: Floats) -> Floats:
        """(time, n_mels) near power over far power -> gain (time, n_mels)."""
        calm = np.percentile(ratio, self._percentile, axis=0)
        gain: Floats = np.clip(1.0 - self._beta * calm / ratio, self._floor, 1.0) ** self._alpha
        return gain


def _power(spectra: NDArray[np.complex128]) -> Floats:
    return np.square(spectra.real) + np.square(spectra.imag)


@functools.lru_cache(maxsize=8)
def _bands(sample_rate: int, n_fft: int, n_mels: int) -> tuple[Any, Floats]:
    """Return the filter bank (n_mels, bins), sparse, and the frequency in Hz at which each band is widest open."""
    bank = slaney_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0).to_dense().numpy()
    if empty := int((~bank.any(axis=1)).sum()):
        raise DataError(
            f"{empty} of {n_mels} mel bands of the view 'wiener' hold no frequency of an FFT of {n_fft} samples at "
            f"{sample_rate} Hz: lower n_mels or raise n_fft"
        )
    weights = bank / bank.sum(axis=1, keepdims=True)
    # A band's own mean frequency: distinct for every band, however few bins it has.
    centres: Floats = (weights * (np.arange(bank.shape[1]) * (sample_rate / n_fft))).sum(axis=1)
    return csr_array(bank), centres
