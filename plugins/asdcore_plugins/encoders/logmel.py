"""The log-mel spectrogram of the official DCASE Task 2 baseline: an encoder without weights.

librosa's definition: a centred short-time spectrum with zeros beyond the ends, the Slaney mel scale with
area-normalised triangles from 0 Hz to half the sample rate, and 20 / power * log10 of the mel spectrum. One token is
one (frame, band); dim is 1. Ten seconds at 16 kHz give 313 frames.

Everything is computed in float64 without matrix products, so that a clip's tokens are the same bits whatever clips are
encoded with it and however many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import DataError, Tokens, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        import numpy as np
        from scipy.sparse import csr_array

        if min(sample_rate, n_mels, hop) < 1 or n_fft < 2 or not 0 < power < float("inf"):
            raise ValueError("sample_rate, n_mels and hop must be at least 1, n_fft at least 2, power above 0")
        self.sample_rate = sample_rate
        self._n_fft, self._hop, self._power, self._log = n_fft, hop, power, log
        self._bank = csr_array(mel_bank(sample_rate, n_fft, n_mels))
        self._window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, n_samples) float32 -> {0: Tokens with patches (n_clips, time, n_mels, 1)}."""
        import numpy as np

        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"logmel has the one layer 0, not {unknown}")
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")
        patches = np.stack([self._spectrum(clip) for clip in audio])
        return {layer: Tokens(patches[..., None]) for layer in layers}

    def _spectrum(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) -> (time, n_mels)."""
        import numpy as np

        padded = np.pad(clip.astype(np.float64), self._n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_fft)[:: self._hop]
        spectrum = np.fft.rfft(frames * self._window, axis=-1)
        energy = np.square(spectrum.real) + np.square(spectrum.imag)
        mel = self._bank @ (energy if self._power == 2.0 else energy ** (self._power / 2.0)).T
        scaled = 20.0 / self._power * np.log10(np.maximum(mel, FLOOR)) if self._log else mel ** (1.0 / self._power)
        return np.ascontiguousarray(scaled.T, dtype=np.float32)


def mel_bank(sample_rate: int, n_fft: int, n_mels: int) -> Floats:
    """Triangles of unit area, evenly spaced on the Slaney mel scale: (n_mels, n_fft // 2 + 1)."""
    import numpy as np

    edges = _hz(np.linspace(0.0, _mel(sample_rate / 2.0), n_mels + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    triangles = np.minimum((frequencies - low) / (centre - low), (high - frequencies) / (high - centre))
    bank: Floats = np.maximum(triangles, 0.0) * (2.0 / (high - low))
    empty = np.flatnonzero(~bank.any(axis=1))
    if len(empty):
        first = empty[0]
        raise ValueError(
            f"{len(empty)} of {n_mels} mel bands hold no frequency of an FFT of {n_fft} samples, the first from "
            f"{edges[first]:.1f} to {edges[first + 2]:.1f} Hz: lower n_mels or raise n_fft"
        )
    return bank


# The Slaney scale: 15 mels up to 1000 Hz, evenly; above, 27 mels for each factor of 6.4.
LINEAR_HZ, LINEAR_MELS, STEP = 1000.0, 15.0, 27.0 / math.log(6.4)


def _mel(hz: float) -> float:
    return hz * LINEAR_MELS / LINEAR_HZ if hz < LINEAR_HZ else LINEAR_MELS + STEP * math.log(hz / LINEAR_HZ)


def _hz(mels: Floats) -> Floats:
    import numpy as np

    above = LINEAR_HZ * np.exp(np.maximum(mels - LINEAR_MELS, 0.0) / STEP)
    return np.where(mels < LINEAR_MELS, mels * LINEAR_HZ / LINEAR_MELS, above)


@hookimpl
def register_encoders(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``logmel``."""
    register("logmel", LogMel)
