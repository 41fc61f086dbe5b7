"""Near minus what the far channel predicts of it: per-clip complex least squares in every frequency bin.

With C and F the short-time spectra of the near and far channel, H[f] = sum_t C F* / (sum_t |F|^2 + eps) is the
least-squares transfer from far to near, and Y = C - H F keeps what the far channel cannot explain. Noise that reaches
both microphones coherently is removed; where noise is diffuse, part of the machine goes with it. Uses nothing but the
clip itself; 'asdcore audit-views' tells which of the two it does to yours. Described as W1 in the public 2026
experiments of kasahart/asd-experiments, and in the DCASE 2026 technical report of Ozeki.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.nn.stft import Stft, near_and_far

PEAK = 0.9
EPSILON = 1e-12


class W1:
    """Subtract the far channel's least-squares prediction of the near one. ``n_fft`` and ``hop`` are in samples."""

    def __init__(self, n_fft: int = 1024, hop: int = 512) -> None:
        self._stft = Stft(n_fft, hop)

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> (n_samples,); raises DataError for other channel counts."""
        channels = near_and_far(audio, "w1", self._stft.n_fft)
        peak = float(np.abs(channels).max())
        if peak == 0.0:
            silence: NDArray[np.float32] = audio[0].copy()
            return silence
        near, far = self._stft.spectra(channels * (PEAK / peak))
        energy = np.square(far.real).sum(axis=0) + np.square(far.imag).sum(axis=0)
        transfer = (near * far.conj()).sum(axis=0) / (energy + EPSILON)
        residual = self._stft.waveform(near - transfer * far, audio.shape[1])
        # Back to the recording's own level: how loud a machine is may be what gives a fault away.
        return (residual * (peak / PEAK)).astype(np.float32)
