"""The encoder ``psd_shape``: a clip's power spectral density, less its level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.in_blocks import BlockEncoder, Framing
from asdcore_plugins.encoders.bases.weightless import Audio, Written, written
from asdcore_plugins.nn.as_onnx.spectra import at_least, density_to_onnx
from asdcore_plugins.nn.front_ends.band_edges import Edges
from asdcore_plugins.nn.front_ends.bands import LogBands
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.welch import TOGETHER, density_of_pieces

FLOOR = 1e-16
"""The smallest density before the logarithm, full scale squared per Hz: 20 dB below what rounding to 16 bits makes."""


class PsdShape(BlockEncoder):
    """The shape of a clip's power spectral density: an encoder without weights that does not hear how loud a clip is.

    Welch's estimate with Hann windows that overlap by half, each less its mean. Its mean in each of 96 bands evenly
    spaced on a logarithmic axis from 10 to 4000 Hz, in dB, less the mean of all bands. So a gain of the recording falls
    away, and the low orders of what turns are resolved better than by mel bands. Patches are (n_clips, 1, n_bands, 1):
    Welch's mean over the clip is the pooling, and every other over time changes nothing.

    The end of a clip after the last whole window, less than half a window, is not heard. A clip shorter than a window
    counts as one that goes on in silence.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft : int
        Length of a window in samples, even; 0.5 s at the default.
    n_bands : int
        Bands of the density.
    low, high : float
        Their limits in Hz; ``high`` is at most half the sample rate.

    Notes
    -----
    Costs one FFT of n_fft samples for every n_fft / 2 samples.

    References
    ----------
    P. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
    Electroacoustics 15, 1967.

    Examples
    --------
    A louder recording has the same shape:

    >>> import asdcore, numpy as np
    >>> clip = np.random.default_rng(0).normal(size=(1, 160000)).astype(np.float32)
    >>> encoder = asdcore.load_encoder("psd_shape")
    >>> quiet, loud = (encoder.encode(gain * clip)[0].patches for gain in (0.01, 0.08))
    >>> quiet.shape, bool(np.allclose(quiet, loud, atol=1e-4))
    ((1, 1, 96, 1), True)
    """

    name = "psd_shape"
    gain = "none"
    highest = 4000.0

    def __init__(
        self, sample_rate: int = 16000, n_fft: int = 8192, n_bands: int = 96, low: float = 10.0, high: float = 4000.0
    ) -> None:
        if sample_rate < 1 or n_fft < 2 or n_fft % 2:
            raise ValueError(f"sample_rate must be above 0, n_fft even, got {sample_rate} and {n_fft}")
        self.sample_rate, self.highest = sample_rate, high
        self._framing = Framing(n_fft, n_fft - n_fft // 2, together=TOGETHER)
        self._bands = LogBands(n_fft // 2 + 1, sample_rate / n_fft, n_bands, low, high)

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield (1, n_bands, 1) in dB, of mean 0."""
        pieces = (samples.astype(np.float64) for samples in self._framing.blocks(sound))
        banded = self._bands(density_of_pieces(pieces, self.sample_rate, self._framing.n_fft))
        decibels = _decibels(banded)
        shape: Audio = (decibels - decibels.mean()).astype(np.float32)
        yield shape[None, :, None]

    def band_hertz(self, layer: int | str) -> Edges:
        """Return from which to which frequency (Hz) each band of the tokens reaches."""
        return self._bands.hertz

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (n_samples,) -> {0: patches (1, n_bands, 1)}."""
        sound = at_least(audio, self._framing.n_fft, axes=1).reshape(-1, 1)
        density = density_to_onnx(sound, self.sample_rate, self._framing.n_fft)
        decibels = _decibels(density.transpose(1, 0) @ self._bands.shares.T)
        return written(decibels - decibels.mean(1, keepdims=True))


def _decibels(banded: Any) -> Any:
    return 10.0 * np.log10(np.maximum(banded, FLOOR))
