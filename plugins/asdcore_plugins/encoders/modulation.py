"""The encoder ``modulation``: how fast and how deeply each mel band beats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.in_blocks import BlockEncoder, Framing
from asdcore_plugins.encoders.bases.weightless import LAYER, Audio, Written, as_float32
from asdcore_plugins.nn.as_onnx.spectra import at_least, density_to_onnx, frame_powers_to_onnx
from asdcore_plugins.nn.front_ends.bands import LogBands
from asdcore_plugins.nn.front_ends.envelopes import Envelopes
from asdcore_plugins.nn.front_ends.mel import MelSums, filled, slaney_bank
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import frame_powers, hann
from asdcore_plugins.nn.front_ends.welch import density
from asdcore_plugins.stats.onnx_formulas import written as applied

Floats = NDArray[np.float64]

TOGETHER = 1 << 14
"""Frames that are transformed together."""

FLOOR = 1e-8
"""The smallest squared depth per Hz before the logarithm: a band without modulation has -80 dB everywhere."""


class Modulation(BlockEncoder):
    """The modulation spectrum, how fast and how deeply each mel band beats: an encoder without weights.

    It holds what a mean over time forgets: the strikes of a defective bearing, blades that pass, valves that click at a
    rate. The envelope e of a band is its mel amplitude, 250 times a second. Its modulation spectrum is Welch's estimate
    of e / mean(e), less its mean, in windows of 1 s that overlap by half: so a gain and a spectral tilt of the
    recording fall away. The mean in each of 16 bands evenly spaced on a logarithmic axis from 1 to 100 Hz is given in
    dB of squared modulation depth per Hz. Patches are (n_clips, 1, n_mels, n_rates): every pooling over time changes
    nothing. A clip shorter than a window counts as one that goes on without modulation.

    Parameters
    ----------
    sample_rate, n_mels, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.weightless.WeightlessEncoder`.
    n_rates : int
        Bands of modulation.
    low, high : float
        Their limits in Hz; ``high`` is at most half of sample_rate / hop.
    seconds : float
        Length of a window.

    Notes
    -----
    Costs an FFT of n_fft samples for every hop. The envelopes of a long recording lie in a temporary file meanwhile.

    References
    ----------
    The modulation spectrogram of Greenberg and Kingsbury (ICASSP 1997), and the joint acoustic and modulation frequency
    of Atlas and Shamma (EURASIP JASP, 2003); the numbers are ours.

    Examples
    --------
    Noise that beats 10 times a second has its highest modulation near 10 Hz:

    >>> import asdcore, numpy as np
    >>> seconds = np.arange(160000) / 16000
    >>> noise = np.random.default_rng(0).normal(size=160000) * (1 + 0.9 * np.sin(2 * np.pi * 10 * seconds))
    >>> encoder = asdcore.load_encoder("modulation")
    >>> rates = encoder.encode(noise[None].astype(np.float32))[0].patches[0, 0].mean(axis=0)
    >>> edges = np.geomspace(1, 100, 17)
    >>> bool(edges[rates.argmax()] <= 10 <= edges[rates.argmax() + 1])
    True
    """

    name = "modulation"
    gain = "none"

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 24,
        n_fft: int = 256,
        hop: int = 64,
        n_rates: int = 16,
        low: float = 1.0,
        high: float = 100.0,
        seconds: float = 1.0,
    ) -> None:
        if min(sample_rate, n_mels, hop) < 1 or n_fft < 2 or n_fft % 2 or not 0 < seconds < math.inf:
            raise ValueError("sample_rate, n_mels, hop, n_fft and seconds must be above 0, n_fft even")
        self.sample_rate = sample_rate
        self._framing, self._n_mels, self._rate = Framing(n_fft, hop, together=TOGETHER), n_mels, sample_rate / hop
        self._width = max(2, round(seconds * self._rate))
        self._rates = LogBands(self._width // 2 + 1, self._rate / self._width, n_rates, low, high)
        self._bank = filled(slaney_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0), n_fft)
        self._mel = MelSums(self._bank)
        self._window = hann(n_fft)

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield (1, n_mels, n_rates) in dB."""
        with Envelopes(self._framing.times(len(sound)), self._n_mels) as envelopes:
            for samples in self._framing.blocks(sound):
                energy = frame_powers(samples.astype(np.float64), self._window, self._framing.hop)
                envelopes.write(np.sqrt(self._mel(energy)))
            densities = [self._density(envelope) for envelope in envelopes]
        yield _decibels(self._rates(np.stack(densities))).astype(np.float32)[None]

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (n_samples,) -> {0: patches (1, n_mels, n_rates)}."""
        sound = at_least(audio, self._framing.n_fft, axes=1)
        envelopes = (frame_powers_to_onnx(sound, self._window, self._framing.hop) @ self._bank.T).op("Sqrt")
        mean = envelopes.mean(0, keepdims=True)
        heard = mean > 0.0
        depth = heard.op("Where", envelopes / heard.op("Where", mean, 1.0) - 1.0, 0.0)
        densities = density_to_onnx(at_least(depth, self._width, axes=2), self._rate, self._width)
        decibels = applied(_decibels, densities.transpose(1, 0) @ self._rates.shares.T)
        return {LAYER: (as_float32(decibels).reshape(1, self._n_mels, -1), None)}

    def _density(self, envelope: Floats) -> Floats:
        """(time,) -> the density of one band's relative modulation (width // 2 + 1,)."""
        mean = envelope.mean()
        # A clip that is shorter than a window goes on at its mean, without modulation.
        depth = np.ones(max(self._width, len(envelope)))
        np.divide(envelope, mean, out=depth[: len(envelope)], where=mean > 0)
        depth -= 1.0
        return density(depth, self._rate, self._width)


def _decibels(density: Any) -> Any:
    return 10.0 * np.log10(np.maximum(density, FLOOR))
