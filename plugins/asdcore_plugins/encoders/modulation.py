"""The modulation spectrum, how fast and how deeply each mel band beats: an encoder without weights.

It holds what a mean over time forgets: the strikes of a defective bearing, blades that pass, valves that click at a
rate. The envelope e of a band is its mel amplitude, 250 times a second; its modulation spectrum is Welch's estimate of
e / mean(e), less its mean, in windows of 1 s that overlap by half: so a gain and a spectral tilt of the recording fall
away. The mean in each of 16 bands evenly spaced on a logarithmic axis from 1 to 100 Hz is given in dB of squared
modulation depth per Hz. Patches are (n_clips, 1, n_mels, n_rates): every pooling over time changes nothing.

After the modulation spectrogram of Greenberg and Kingsbury (ICASSP 1997) and the joint acoustic and modulation
frequency of Atlas and Shamma (EURASIP JASP, 2003); the numbers are ours. A clip shorter than a window is one that goes
on without modulation. Costs an FFT of n_fft samples for every hop; the frames of one clip are held at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.sparse import csr_array

from asdcore import DataError, Tokens
from asdcore_plugins.nn.bands import LogBands
from asdcore_plugins.nn.mel import slaney_bank

Floats = NDArray[np.float64]

FLOOR = 1e-8
"""The smallest squared depth per Hz before the logarithm: a band without modulation has -80 dB everywhere."""


class Modulation:
    """Modulation spectra of mel bands.

    sample_rate in Hz; n_mels bands from 0 Hz to half of it; n_fft and hop in samples; n_rates bands of modulation from
    low to high Hz, which is at most half of sample_rate / hop; seconds of a window.
    """

    layers = (0,)

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
        if min(sample_rate, n_mels, hop) < 1 or n_fft < 2 or n_fft % 2 or not 0 < seconds < float("inf"):
            raise ValueError("sample_rate, n_mels, hop, n_fft and seconds must be above 0, n_fft even")
        self.sample_rate = sample_rate
        self._n_fft, self._hop, self._rate = n_fft, hop, sample_rate / hop
        self._width = max(2, round(seconds * self._rate))
        self._rates = LogBands(self._width // 2 + 1, self._rate / self._width, n_rates, low, high)
        bank = slaney_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0).to_dense().numpy()
        if empty := int((~bank.any(axis=1)).sum()):
            raise ValueError(
                f"{empty} of {n_mels} mel bands hold no frequency of an FFT of {n_fft} samples: lower n_mels or raise "
                "n_fft"
            )
        self._bank = csr_array(bank)
        self._window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, n_samples) float32 -> {0: Tokens with patches (n_clips, 1, n_mels, n_rates)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"modulation has the one layer 0, not {unknown}")
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")
        patches = np.stack([self._spectrum(self._envelopes(clip)) for clip in audio])[:, None]
        return {layer: Tokens(patches) for layer in layers}

    def _envelopes(self, clip: NDArray[np.float32]) -> Floats:
        """(n_samples,) -> mel amplitudes (n_mels, time), frames without padding."""
        padded = np.pad(clip.astype(np.float64), (0, max(0, self._n_fft - len(clip))))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_fft)[:: self._hop]
        spectrum = np.fft.rfft(frames * self._window)
        envelopes: Floats = np.sqrt(self._bank @ (np.square(spectrum.real) + np.square(spectrum.imag)).T)
        return envelopes

    def _spectrum(self, envelopes: Floats) -> NDArray[np.float32]:
        """(n_mels, time) -> (n_mels, n_rates) in dB."""
        mean = envelopes.mean(axis=1, keepdims=True)
        depth = np.divide(envelopes, mean, out=np.ones_like(envelopes), where=mean > 0) - 1.0
        padded = np.pad(depth, ((0, 0), (0, max(0, self._width - depth.shape[1]))))
        _, density = welch(padded, self._rate, nperseg=self._width)
        return (10.0 * np.log10(np.maximum(self._rates(density), FLOOR))).astype(np.float32)
