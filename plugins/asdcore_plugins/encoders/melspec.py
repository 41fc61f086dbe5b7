"""The encoder ``melspec``: the mel amplitudes of torchaudio, on which ASDKit's raw_spec rests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.in_blocks import BlockEncoder, Framing
from asdcore_plugins.encoders.bases.weightless import Audio, Written, check_frames, written
from asdcore_plugins.nn.as_onnx.spectra import frame_powers_to_onnx, padded_to_onnx
from asdcore_plugins.nn.front_ends.band_edges import Edges, edges_of
from asdcore_plugins.nn.front_ends.mel import MelSums, htk_bank
from asdcore_plugins.nn.front_ends.sound import InMemory, Sound
from asdcore_plugins.nn.front_ends.stft import frame_powers, hann

FLOOR = 2.220446049250313e-16
"""The smallest amplitude before the logarithm: float64 epsilon, as ASDKit has it."""


class MelSpec(BlockEncoder):
    """The mel spectrogram of torchaudio, in amplitude: an encoder without weights.

    What ``torchaudio.transforms.MelSpectrogram`` computes with ``power = 1`` and ``normalized = True``: a centred
    short-time spectrum with zeros beyond the ends and a periodic Hann window of unit energy, its magnitude, and
    triangles of height 1 that are evenly spaced on the HTK mel scale from 0 Hz to half the sample rate. No logarithm by
    default: its mean over time is what ASDKit calls ``raw_spec``. One token is one (frame, band); dim is 1.

    Parameters
    ----------
    sample_rate : int
        Hz, even.
    n_mels, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.weightless.WeightlessEncoder`.
    seconds : float or list of float, optional
        The length that clips are brought to: a shorter clip is repeated until it fills it, and what lies beyond is cut
        off, as ASDKit does. In a mean over time, what comes twice counts twice. ASDKit has one length for a dataset,
        that of its longest clips. Of several lengths the shortest that holds the clip counts, so one portfolio can
        serve datasets of long and of short clips. Without it clips are left as they are.
    log : bool
        True gives 20 log10 of each amplitude, in dB, of at least 2.2e-16: what ASDKit's autoencoder is trained on.

    Notes
    -----
    torchaudio's float32 differs from this by some millionths of the loudest band.

    References
    ----------
    Fujimura et al., "ASDKit: A toolkit for comprehensive evaluation of anomalous sound detection methods", 2025.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> clips = np.random.default_rng(0).normal(size=(2, 96000)).astype(np.float32)
    >>> asdcore.load_encoder("melspec").encode(clips)[0].patches.shape
    (2, 188, 128, 1)
    >>> asdcore.load_encoder("melspec", seconds=10).encode(clips)[0].patches.shape
    (2, 313, 128, 1)
    """

    name = "melspec"

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop: int = 512,
        seconds: float | Sequence[float] | None = None,
        log: bool = False,
    ) -> None:
        if not isinstance(log, bool):
            raise ValueError(f"log must be true or false, got {log!r}")
        check_frames("sample_rate, n_fft, n_mels and hop", sample_rate, n_mels, n_fft, hop)
        self.sample_rate = sample_rate
        self._framing, self._log = Framing(n_fft, hop, n_fft // 2), log
        self.gain = "offset" if log else "factor"
        self._lengths = _lengths(seconds, sample_rate)
        self._bank = htk_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0)
        self._mel = MelSums(self._bank)
        window = hann(n_fft)
        self._window = window / np.sqrt(np.square(window).sum())

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield blocks of (time, n_mels, 1), a frame centred on every ``hop``-th sample."""
        n_samples = next((n for n in self._lengths if len(sound) <= n), max(self._lengths, default=len(sound)))
        if n_samples > len(sound):
            sound = InMemory(np.resize(sound.read(0, len(sound)), n_samples))
        elif n_samples < len(sound):
            sound = InMemory(sound.read(0, n_samples))
        for samples in self._framing.blocks(sound):
            amplitude = np.sqrt(frame_powers(samples.astype(np.float64), self._window, self._framing.hop))
            mel = self._mel(amplitude).T
            yield np.ascontiguousarray(self._scaled(mel), dtype=np.float32)[..., None]

    def band_hertz(self, layer: int | str) -> Edges:
        """Return from which to which frequency (Hz) each band of the tokens reaches."""
        return edges_of(self._bank, self.sample_rate)

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (n_samples,) -> {0: patches (time, band, dim)}."""
        framing = self._framing
        sound = padded_to_onnx(self._brought_to_length(audio), framing.padding, framing.padding)
        mel = frame_powers_to_onnx(sound, self._window, framing.hop).op("Sqrt") @ self._bank.T
        return written(self._scaled(mel))

    def _scaled(self, mel: Any) -> Any:
        """Return mel sums as they are, or in dB."""
        return 20.0 * np.log10(np.maximum(mel, FLOOR)) if self._log else mel

    def _brought_to_length(self, audio: OnnxValue) -> OnnxValue:
        """Repeat or cut a clip to the shortest length that holds it, or the longest."""
        if not self._lengths:
            return audio
        whole = partial(audio.graph.constant, dtype=np.int64)
        n_samples, lengths = audio.op("Shape"), whole(self._lengths)
        length = (lengths >= n_samples).op("Where", lengths, whole(max(self._lengths))).min(0, keepdims=True)
        times = (length + n_samples - whole(1)) / n_samples
        return audio.op("Tile", times).op("Slice", whole([0]), length)


def _lengths(seconds: float | Sequence[float] | None, sample_rate: int) -> list[int]:
    """Return lengths in samples, the shortest first. Raises ValueError for anything but lengths."""
    lengths = [] if seconds is None else list(seconds) if isinstance(seconds, Sequence) else [seconds]
    for length in lengths:
        is_number = isinstance(length, int | float) and not isinstance(length, bool)
        if not (is_number and 1 <= length * sample_rate < math.inf):
            raise ValueError(f"seconds must be a number, or several, of at least one sample each, got {seconds!r}")
    return sorted(int(sample_rate * length) for length in lengths)
