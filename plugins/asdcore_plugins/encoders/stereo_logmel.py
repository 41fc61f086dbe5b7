"""The log-mel spectrograms of both microphones, and how coherent they are: an encoder without weights.

For every frame and mel band there are three values: the near and the far channel's power density in dB, and the
coherence gamma^2 of the channels in the second around the frame, a mean over the bins of the band
(:mod:`asdcore_plugins.nn.cross_spectra` has the formulas). It is what the scorer ``normal_relation`` reads. 0 dB is
1 (full scale)^2 / Hz, and digital silence is -160 dB.

Patches are (n_clips, time, n_mels, 3), from frames without padding. Costs two FFTs of n_fft samples for every hop; the
spectra of one clip are held at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import Tokens
from asdcore_plugins.nn.cross_spectra import FLOOR, CrossSpectra, both_channels, common, unit_bands


class StereoLogMel:
    """Near and far levels and their coherence.

    sample_rate in Hz; n_mels bands from 0 Hz to half of it; n_fft and hop in samples; seconds around a frame that its
    coherence is estimated from.
    """

    channels = 2
    layers = (0,)

    def __init__(
        self, sample_rate: int = 16000, n_mels: int = 64, n_fft: int = 1024, hop: int = 512, seconds: float = 1.0
    ) -> None:
        self.sample_rate = sample_rate
        self._spectra = CrossSpectra(sample_rate, n_fft, hop, seconds)
        self._bands = unit_bands(sample_rate, n_fft, n_mels)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, 2, n_samples) float32 -> {0: Tokens with patches (n_clips, time, n_mels, 3)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"stereo_logmel has the one layer 0, not {unknown}")
        patches = np.stack([self._spectrum(clip) for clip in both_channels(audio, "stereo_logmel")])
        return {layer: Tokens(patches) for layer in layers}

    def _spectrum(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2, n_samples) -> (time, n_mels, 3)."""
        spectra = self._spectra(clip)
        powers = (self._bands @ (np.square(one.real) + np.square(one.imag)).T for one in spectra)
        levels = [10.0 * np.log10(np.maximum(power, FLOOR)) for power in powers]
        starts, stops = around(spectra.shape[1], self._spectra.frames)
        coherency = common(spectra, starts, stops).coherency
        coherence = self._bands @ (np.square(coherency.real) + np.square(coherency.imag)).T
        return np.stack([*levels, coherence], axis=-1).transpose(1, 0, 2).astype(np.float32, order="C")


def around(time: int, frames: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each of ``time`` frames where the ``frames`` nearest to it begin and end, all within the clip."""
    starts = np.clip(np.arange(time) - frames // 2, 0, max(0, time - frames))
    return starts, np.minimum(starts + frames, time)
