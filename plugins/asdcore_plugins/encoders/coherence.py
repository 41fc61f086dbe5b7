"""How the near and the far channel are related, band by band: an encoder without weights.

It hears no spectrum, only what differs and what agrees between two microphones, which changes where a sound comes from
another place than before. For every segment of about a second and every mel band there are four values:

    level       log10(M_near / M_far), the level difference in bel, with M the power in the band;
    in phase    the real part of the coherency: the cosine of the phase difference, as far as the channels are coherent,
                and 0 where they are not, since a phase is noise there;
    quadrature  its imaginary part: the same with the sine;
    coherence   gamma^2, the part of one channel's power that a linear filter makes of the other.

The last three are means over the bins of a band (:mod:`asdcore_plugins.nn.cross_spectra` has the formulas). In bel, not
in dB, so that the four are of one size, and a distance between features hears all of them. Level difference, phase and
coherence of the channels are spatial features of the DCASE 2026 technical report of Morita; the rest is ours. A gain of
both channels changes nothing, until they fall silent: a silent channel has the level of 1e-16 (full scale)^2 / Hz.

Patches are (n_clips, segments, n_bands, 4), the clip cut evenly into segments of about ``seconds``. Costs two FFTs of
n_fft samples for every hop; the spectra of one clip are held at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import Tokens
from asdcore_plugins.nn.cross_spectra import FEWEST, FLOOR, CrossSpectra, both_channels, common, unit_bands


class Coherence:
    """Relation of two channels. sample_rate in Hz; n_bands from 0 Hz to half of it; n_fft and hop in samples."""

    channels = 2
    layers = (0,)

    def __init__(
        self, sample_rate: int = 16000, n_bands: int = 16, n_fft: int = 1024, hop: int = 512, seconds: float = 1.0
    ) -> None:
        self.sample_rate = sample_rate
        self._spectra = CrossSpectra(sample_rate, n_fft, hop, seconds)
        self._bands = unit_bands(sample_rate, n_fft, n_bands)

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, 2, n_samples) float32 -> {0: Tokens with patches (n_clips, segments, n_bands, 4)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"coherence has the one layer 0, not {unknown}")
        patches = np.stack([self._relation(clip) for clip in both_channels(audio, "coherence")])
        return {layer: Tokens(patches) for layer in layers}

    def _relation(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2, n_samples) -> (segments, n_bands, 4)."""
        spectra = self._spectra(clip)
        time = spectra.shape[1]
        segments = max(1, min(round(time / self._spectra.frames), time // FEWEST))
        borders = np.linspace(0, time, segments + 1).astype(np.intp)
        found = common(spectra, borders[:-1], borders[1:])
        near, far = (self._bands @ power.T + FLOOR for power in (found.near, found.far))
        phase = found.coherency
        parts = (phase.real, phase.imag, np.square(phase.real) + np.square(phase.imag))
        means = (self._bands @ part.T for part in parts)
        return np.stack([np.log10(near / far), *means], axis=-1).transpose(1, 0, 2).astype(np.float32, order="C")
