"""Near minus what the far channel predicts of it: per-clip complex least squares in every frequency bin.

With C and F the short-time spectra of the near and far channel, H[f] = sum_t C F* / (sum_t |F|^2 + eps) is the
least-squares transfer from far to near, and Y = C - H F keeps what the far channel cannot explain. Noise that reaches
both microphones coherently is removed; where noise is diffuse, part of the machine goes with it. Uses nothing but the
clip itself. Described as W1 in the public 2026 experiments of kasahart/asd-experiments, and in the DCASE 2026 technical
report of Ozeki.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PEAK = 0.9
EPSILON = 1e-12


class W1:
    """Subtract the far channel's least-squares prediction of the near one. ``n_fft`` and ``hop`` are in samples."""

    def __init__(self, n_fft: int = 1024, hop: int = 512) -> None:
        import numpy as np

        if n_fft < 2 or not 0 < hop <= n_fft // 2:
            raise ValueError(f"n_fft must be at least 2 and 0 < hop <= n_fft / 2, got n_fft={n_fft}, hop={hop}")
        self._n_fft, self._hop = n_fft, hop
        self._window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """(2, n_samples) -> (n_samples,); raises DataError for other channel counts."""
        import numpy as np

        if len(audio) != 2:
            raise DataError(
                f"the view 'w1' needs a near and a far channel, but the recording has {len(audio)}. "
                "Use the view 'near' for recordings of one channel."
            )
        n_samples = audio.shape[1]
        if n_samples < self._n_fft:
            raise DataError(f"the recording ({n_samples} samples) is shorter than the window of 'w1' ({self._n_fft})")
        peak = float(np.abs(audio).max())
        if peak == 0.0:
            silence: NDArray[np.float32] = audio[0].copy()
            return silence
        near, far = self._spectra(np.array(audio, dtype=np.float64, order="C") * (PEAK / peak))
        energy = np.square(far.real).sum(axis=0) + np.square(far.imag).sum(axis=0)
        transfer = (near * far.conj()).sum(axis=0) / (energy + EPSILON)
        residual = self._waveform(near - transfer * far, n_samples)
        # Back to the recording's own level: how loud a machine is may be what gives a fault away.
        return (residual * (peak / PEAK)).astype(np.float32)

    def _spectra(self, signals: NDArray[np.float64]) -> NDArray[np.complex128]:
        """(2, n_samples) -> (2, time, bins): frames centred at every hop-th sample, the ends reflected.

        The last frame is centred at or beyond the last sample: an end that only the slope of a window covers could not
        be put together again.
        """
        import numpy as np

        half, beyond = self._n_fft // 2, -signals.shape[1] % self._hop
        padded = np.pad(signals, ((0, 0), (half, self._n_fft - half + beyond)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_fft, axis=1)[:, :: self._hop]
        spectra: NDArray[np.complex128] = np.fft.rfft(frames * self._window, axis=-1)
        return spectra

    def _waveform(self, spectra: NDArray[np.complex128], n_samples: int) -> NDArray[np.float64]:
        """(time, bins) -> (n_samples,): windowed overlap-add, divided by the squared windows that overlap there."""
        import numpy as np

        frames = np.fft.irfft(spectra, self._n_fft, axis=-1) * self._window
        total = np.zeros((len(frames) - 1) * self._hop + self._n_fft)
        weight = np.zeros_like(total)
        for t, frame in enumerate(frames):
            place = slice(t * self._hop, t * self._hop + self._n_fft)
            total[place] += frame
            weight[place] += np.square(self._window)
        kept = slice(self._n_fft // 2, self._n_fft // 2 + n_samples)
        samples: NDArray[np.float64] = total[kept] / weight[kept]
        return samples


@hookimpl
def register_views(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``w1``."""
    register("w1", W1)
