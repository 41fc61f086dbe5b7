"""The mel spectrogram of torchaudio, in amplitude: an encoder without weights.

What ``torchaudio.transforms.MelSpectrogram`` computes with ``power = 1`` and ``normalized = True``: a centred
short-time spectrum with zeros beyond the ends and a periodic Hann window of unit energy, its magnitude, and triangles
of height 1 that are evenly spaced on the HTK mel scale from 0 Hz to half the sample rate. No logarithm. Its mean over
time is what ASDKit (Fujimura et al., 2025) calls ``raw_spec``. One token is one (frame, band); dim is 1.

Under ``seconds`` a clip is repeated until it fills them, and what lies beyond is cut off, as ASDKit does: in a mean
over time, what comes twice counts twice. ASDKit has one length for a dataset, that of its longest clips. Of several
lengths the shortest that holds the clip counts, so one portfolio can serve datasets of long and of short clips.

Everything is computed in float64, a clip at a time, so that a clip's tokens are the same bits whatever clips are
encoded with it; torchaudio's float32 differs from it by some millionths of the loudest band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from asdcore import DataError, Tokens
from asdcore_plugins.nn.mel import htk_bank


class MelSpec:
    """Mel amplitudes.

    sample_rate : Hz. n_mels bands; n_fft and hop in samples. seconds : the length, or the lengths, that clips are
        brought to by repetition or cutting; None leaves them as they are.
    """

    layers = (0,)

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop: int = 512,
        seconds: float | Sequence[float] | None = None,
    ) -> None:
        if min(sample_rate, n_mels, hop, n_fft) < 1 or sample_rate % 2 or n_fft % 2:
            raise ValueError("sample_rate, n_fft, n_mels and hop must be above 0, sample_rate and n_fft even")
        self.sample_rate = sample_rate
        self._n_fft, self._hop = n_fft, hop
        self._lengths = _lengths(seconds, sample_rate)
        self._bank = csr_array(htk_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0).to_dense().numpy())
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
        self._window = window / np.sqrt(np.square(window).sum())

    def encode(self, audio: NDArray[np.float32], layers: Sequence[int | str] = layers) -> Mapping[int | str, Tokens]:
        """(n_clips, n_samples) float32 -> {0: Tokens with patches (n_clips, time, n_mels, 1)}."""
        if unknown := [layer for layer in layers if layer != 0]:
            raise ValueError(f"melspec has the one layer 0, not {unknown}")
        if 0 in audio.shape:
            raise DataError(f"audio of shape {audio.shape} holds no sound to encode")
        patches = np.stack([self._amplitudes(clip) for clip in audio])
        return {layer: Tokens(patches[..., None]) for layer in layers}

    def _amplitudes(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) -> (time, n_mels), a frame centred on every ``hop``-th sample."""
        n_samples = next((n for n in self._lengths if len(clip) <= n), max(self._lengths, default=len(clip)))
        padded = np.pad(np.resize(clip, n_samples).astype(np.float64), self._n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_fft)[:: self._hop]
        spectrum = np.fft.rfft(frames * self._window)
        amplitude = np.sqrt(np.square(spectrum.real) + np.square(spectrum.imag))
        return np.ascontiguousarray((self._bank @ amplitude.T).T, dtype=np.float32)


def _lengths(seconds: float | Sequence[float] | None, sample_rate: int) -> list[int]:
    """Return lengths in samples, the shortest first; raises ValueError for what is none."""
    given = [] if seconds is None else list(seconds) if isinstance(seconds, Sequence) else [seconds]
    for one in given:
        number = isinstance(one, int | float) and not isinstance(one, bool)
        if not (number and 1 <= one * sample_rate < float("inf")):
            raise ValueError(f"seconds must be a number, or several, of at least one sample each, got {seconds!r}")
    return sorted(int(sample_rate * one) for one in given)
