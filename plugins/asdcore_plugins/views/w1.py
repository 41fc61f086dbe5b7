"""The view ``w1``: the near channel less what the far channel predicts of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import count
from asdcore_plugins.nn.as_onnx.stft import WrittenSpectra, spectra_to_onnx, waveform_to_onnx
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import Floats, Spectra
from asdcore_plugins.nn.front_ends.stft_blocks import BlockSpectra, loudest, silence, summed
from asdcore_plugins.views.bases.view import SpectralView

PEAK = 0.9
EPSILON = 1e-12


class W1(SpectralView):
    """Near minus what the far channel predicts of it: per-clip complex least squares in every frequency bin.

    With C and F the short-time spectra of the near and far channel, H[f] = sum_t C F* / (sum_t |F|^2 + eps) is the
    least-squares transfer from far to near, and Y = C - H F keeps what the far channel cannot explain. This removes
    noise that reaches both microphones coherently. If noise is diffuse, part of the machine goes with it. The view uses
    nothing but the clip itself. ``asdcore audit-views`` tells which of the two it does to yours.

    Parameters
    ----------
    n_fft, hop : int
        Of frames; see :class:`~asdcore_plugins.views.bases.view.SpectralView`.

    References
    ----------
    Ozeki's technical report to DCASE 2026; W1 in the public 2026 experiments of kasahart/asd-experiments.

    Examples
    --------
    Noise that the far microphone hears twice as loud is removed, the machine stays:

    >>> import asdcore, numpy as np
    >>> draw = np.random.default_rng(0)
    >>> machine, noise = draw.normal(size=(2, 160000)).astype(np.float32)
    >>> view = asdcore.load_view("w1")
    >>> left = view(np.stack([machine + noise, 2 * noise]), sample_rate=16000)
    >>> print(f"{np.corrcoef(left, machine)[0, 1]:.2f} {np.abs(np.corrcoef(left, noise)[0, 1]):.2f}")
    1.00 0.00
    """

    name = "w1"

    def _made(
        self, sound: Sound, spectra: BlockSpectra, sample_rate: int, temporary: Callable[[], IO[bytes]]
    ) -> Iterator[Floats]:
        peak = loudest(sound)
        if peak == 0.0:
            return silence(sound)
        transfer = _transfer(spectra(PEAK / peak))
        left = spectra.waveform(near - transfer * far for near, far in spectra(PEAK / peak))
        # Back to the recording's own level: how loud a machine is may be what gives a fault away.
        return (residual * (peak / PEAK) for residual in left)

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (2, n_samples) -> (n_samples,)."""
        peak = abs(audio).max(0, 1)
        scale = PEAK / (peak > 0.0).op("Where", peak, 1.0)
        near, far = (spectra_to_onnx(self._stft, audio.take(channel) * scale) for channel in (0, 1))
        energy = far.power().sum(0) + EPSILON
        real = (near.real * far.real + near.imaginary * far.imaginary).sum(0) / energy
        imaginary = (near.imaginary * far.real - near.real * far.imaginary).sum(0) / energy
        left = WrittenSpectra(
            near.real - (real * far.real - imaginary * far.imaginary),
            near.imaginary - (real * far.imaginary + imaginary * far.real),
        )
        residual = waveform_to_onnx(self._stft, left, count(audio.take(0)))
        return (residual / scale).astype(np.float32).astype(np.float64)


def _transfer(blocks: Iterable[Spectra]) -> Spectra:
    """Blocks (2, time, bins) of the whole recording -> the least-squares transfer from far to near, (bins,)."""
    real: Floats | None = None
    imaginary: Floats | None = None
    shared: Spectra | None = None
    for near, far in blocks:
        real, imaginary = summed(real, np.square(far.real)), summed(imaginary, np.square(far.imag))
        shared = summed(shared, near * far.conj())
    if real is None or imaginary is None or shared is None:
        raise ValueError("there are no spectra")
    transfer: Spectra = shared / (real + imaginary + EPSILON)
    return transfer
