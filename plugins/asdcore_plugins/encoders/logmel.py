"""The encoder ``logmel``: the log-mel spectrogram of the official DCASE Task 2 baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.in_blocks import BlockEncoder, Framing
from asdcore_plugins.encoders.bases.weightless import Audio, Written, check_frames, written
from asdcore_plugins.nn.as_onnx.spectra import frame_powers_to_onnx, padded_to_onnx
from asdcore_plugins.nn.front_ends.band_edges import Edges, edges_of
from asdcore_plugins.nn.front_ends.mel import MelSums, filled, linear_bank, slaney_bank
from asdcore_plugins.nn.front_ends.sound import InMemory, Sound
from asdcore_plugins.nn.front_ends.stft import Floats, frame_powers, hann
from asdcore_plugins.stats.parameters import choice

BANKS = {"slaney": slaney_bank, "linear": linear_bank}
FLOOR = 2.220446049250313e-16
"""The smallest mel value before the logarithm: float64 epsilon, as the baseline has it."""


class LogMel(BlockEncoder):
    """The log-mel spectrogram of the official DCASE Task 2 baseline: an encoder without weights.

    librosa's definition: a centred short-time spectrum with zeros beyond the ends, the Slaney mel scale with
    area-normalized triangles from 0 Hz to half the sample rate, and 20 / power * log10 of the mel spectrum. One token
    is one (frame, band), in dB; dim is 1. Ten seconds at 16 kHz give 313 frames.

    Where 0 dB lies depends on the recorder's gain, which adds the same to all values. Euclidean and Mahalanobis
    distances do not change with it. The cosine does, so give scorers of these features ``metric = "euclidean"``. How
    much a clip's own level counts then, the pooling ``mean_std_level`` says.

    Parameters
    ----------
    sample_rate : int
        Hz, even.
    n_mels, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.weightless.WeightlessEncoder`.
    power : float
        Exponent of the magnitude spectrum before the mel sum, above 0.
    log : bool
        False gives the ``power``-th root of the mel spectrum instead: an amplitude.
    scale : str
        Where bands lie evenly: "slaney", the mel scale, or "linear", in Hz. Mel bands are the wider the higher they
        lie, so a fault at high frequencies fills a small part of one; bands that are evenly spaced in Hz hear all
        frequencies alike.

    References
    ----------
    For ``scale = "linear"`` "An enhanced audio feature tailored for anomalous sound detection based on pre-trained
    models", arXiv 2508.15334, 2025, whose enhancement of features is not here.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> clips = np.random.default_rng(0).normal(size=(2, 160000)).astype(np.float32)
    >>> encoder = asdcore.load_encoder("logmel", n_mels=64)
    >>> encoder.encode(clips)[0].patches.shape
    (2, 313, 64, 1)
    """

    name = "logmel"

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop: int = 512,
        power: float = 2.0,
        log: bool = True,
        scale: str = "slaney",
    ) -> None:
        names = "sample_rate, n_fft, n_mels, hop and power"
        check_frames(names, sample_rate, n_mels, n_fft, hop)
        if not 0 < power < math.inf:
            raise ValueError(f"{names} must be above 0, sample_rate and n_fft even")
        self.sample_rate = sample_rate
        self._framing, self._power, self._log = Framing(n_fft, hop, n_fft // 2), power, log
        self.gain = "offset" if log else "factor"
        self._window = hann(n_fft)
        bank = BANKS[choice("scale", scale, tuple(BANKS))]
        self._bank = filled(bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0), n_fft)
        self._mel = MelSums(self._bank)

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield blocks of (time, n_mels, 1)."""
        for samples in self._framing.blocks(sound):
            energy = self._energies(samples)
            mel = self._mel(energy if self._power == 2.0 else energy ** (self._power / 2.0))
            yield np.ascontiguousarray(self._scaled(mel).T, dtype=np.float32)[..., None]

    def _scaled(self, mel: Any) -> Any:
        """Return mel sums in dB, or as amplitudes."""
        return 20.0 / self._power * np.log10(np.maximum(mel, FLOOR)) if self._log else mel ** (1.0 / self._power)

    def band_hertz(self, layer: int | str) -> Edges:
        """Return from which to which frequency (Hz) each band of the tokens reaches."""
        return edges_of(self._bank, self.sample_rate)

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (n_samples,) -> {0: patches (time, band, dim)}."""
        framing = self._framing
        sound = padded_to_onnx(audio, framing.padding, framing.padding)
        energy = frame_powers_to_onnx(sound, self._window, framing.hop)
        mel = (energy if self._power == 2.0 else energy ** (self._power / 2.0)) @ self._bank.T
        return written(self._scaled(mel))

    def energy(self, clip: Audio) -> Floats:
        """(n_samples,) -> squared magnitudes (time, n_fft // 2 + 1), a frame centred on every ``hop``-th sample."""
        return np.concatenate([self._energies(samples) for samples in self._framing.blocks(InMemory(clip))])

    def _energies(self, samples: Audio) -> Floats:
        return frame_powers(samples.astype(np.float64), self._window, self._framing.hop)
