"""The encoder ``coherence``: how the near and the far channel are related, band by band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.two_channels import TwoChannelEncoder
from asdcore_plugins.encoders.bases.weightless import LAYER, Audio, Written, beside
from asdcore_plugins.nn.as_onnx.cross_spectra import common_to_onnx, spectra_to_onnx
from asdcore_plugins.nn.as_onnx.spectra import whole
from asdcore_plugins.nn.front_ends.cross_spectra import FEWEST, FLOOR, common_in_blocks
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import power
from asdcore_plugins.stats.onnx_formulas import written


class Coherence(TwoChannelEncoder):
    """How the near and the far channel are related, band by band: an encoder without weights.

    It hears no spectrum, only what differs and what agrees between two microphones. That changes if a sound comes from
    another direction than before. For every segment of about a second and every mel band there are four values:

    level
        log10(M_near / M_far), the level difference in bel, with M the power in the band.
    in phase
        The real part of the coherency: the cosine of the phase difference, as far as the channels are coherent. It is 0
        if they are not, since a phase is noise then.
    quadrature
        Its imaginary part: the same with the sine.
    coherence
        gamma^2, the part of one channel's power that a linear filter makes of the other.

    The last three are means over the bins of a band, whose formulas :mod:`asdcore_plugins.nn.front_ends.cross_spectra`
    has. The level is in bel, not in dB, so that the four are of one size, and a distance between features hears all of
    them. A gain of both channels changes nothing, until they fall silent: a silent channel has the level of 1e-16
    (full scale)^2 / Hz. Patches are (n_clips, segments, n_bands, 4); a clip is cut evenly into segments.

    Parameters
    ----------
    sample_rate, n_bands, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.two_channels.TwoChannelEncoder`.
    seconds : float
        About how long a segment is.

    References
    ----------
    Level difference, phase and coherence of the channels are spatial features of Morita's technical report to DCASE
    2026; the rest is ours.

    Examples
    --------
    The far microphone hears the same at a tenth of the amplitude: 2 bel less, in phase and coherent.

    >>> import asdcore, numpy as np
    >>> sound = np.random.default_rng(0).normal(size=48000).astype(np.float32)
    >>> patches = asdcore.load_encoder("coherence").encode(np.stack([sound, 0.1 * sound])[None])[0].patches
    >>> patches.shape, abs(patches.mean(axis=(0, 1, 2)).round(3)).tolist()
    ((1, 3, 16, 4), [2.0, 1.0, 0.0, 1.0])
    """

    name = "coherence"
    gain = "none"

    def __init__(
        self, sample_rate: int = 16000, n_bands: int = 16, n_fft: int = 1024, hop: int = 512, seconds: float = 1.0
    ) -> None:
        super().__init__(sample_rate, n_bands, n_fft, hop, seconds)

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield blocks of (segments, n_bands, 4)."""
        time = self._spectra.times(len(sound))
        segments = max(1, min(round(time / self._spectra.frames), time // FEWEST))
        borders = np.linspace(0, time, segments + 1).astype(np.intp)
        for shared in common_in_blocks(self._spectra.blocks(sound), borders[:-1], borders[1:]):
            near, far = (self._bands(density) + FLOOR for density in (shared.near, shared.far))
            phase = shared.coherency
            means = (self._bands(part) for part in (phase.real, phase.imag, power(phase)))
            values = np.stack([np.log10(near / far), *means], axis=-1)
            yield values.transpose(1, 0, 2).astype(np.float32, order="C")

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (2, n_samples) -> {0: patches (segments, n_bands, 4)}."""
        spectra = spectra_to_onnx(audio, self._spectra)
        bank, zero, one = self._bands.bank.T, whole(audio, 0), whole(audio, 1)
        time = spectra.op("Shape", start=1, end=2).take(0)
        wanted = (time.astype(np.float64) / float(self._spectra.frames)).op("Round").astype(np.int64)
        segments = wanted.op("Min", time / whole(audio, FEWEST)).op("Max", one)
        step = time.astype(np.float64) / segments.astype(np.float64)
        starts = (zero.op("Range", segments, one).astype(np.float64) * step).astype(np.int64)
        stops = starts.op("Slice", whole(audio, 1).reshape(1), segments.reshape(1)).op(
            "Concat", time.reshape(1), axis=0
        )
        shared = common_to_onnx(spectra, starts, stops)
        near, far = (density @ bank + FLOOR for density in (shared.near, shared.far))
        means = (part @ bank for part in (shared.in_phase, shared.quadrature, shared.coherence))
        return {LAYER: (beside(written(np.log10, near / far), *means), None)}
