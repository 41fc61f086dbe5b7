"""What encoders of a near and a far channel share: short-time spectra, and what those of both have in common.

With N and F the spectra of the frames of a segment, the means S_nn = <|N|^2> and S_ff = <|F|^2> estimate the power
densities and S_nf = <N F*> the cross density (Welch, IEEE Trans. Audio Electroacoust. 15, 1967). The coherency is
S_nf / sqrt(S_nn S_ff), with the phase difference of the channels. Its squared magnitude is the coherence gamma^2: 1
where a linear filter makes one channel of the other, 0 where they have nothing in common. From K separate frames it is
estimated as 1 / K or more on average (Carter, Knapp and Nuttall, "Estimation of the magnitude-squared coherence
function via overlapped fast Fourier transform processing", IEEE Trans. Audio Electroacoust. 21, 1973), and from one
frame as 1 whatever is heard: so a segment has 8 frames or more. A window must be long against the delay from one
microphone to the other, which lowers the estimate.

Everything is computed in float64, one clip at a time and without dense matrix products, so that a clip's values are the
same bits whatever clips are encoded with it and however many threads there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.nn.front_ends.mel import MelSums, filled, slaney_bank
from asdcore_plugins.nn.front_ends.stft import framed, hann, power

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Rows = NDArray[np.intp]

FLOOR = 1e-16
"""The smallest density, full scale squared per Hz: 20 dB below what rounding to 16 bits makes. Less is silence."""

FEWEST = 8
"""Frames without which a coherence says nothing."""


@dataclass(frozen=True)
class Common:
    """Of each segment: the densities of the near and far channel, and their coherency; all (segments, bins)."""

    near: Floats
    far: Floats
    coherency: Complex


class CrossSpectra:
    """Spectra of two channels, in frames without padding, and their means over segments of about ``seconds``.

    n_fft and hop in samples; frames : how many a segment has; shortest : samples that a
    clip has at least; window : (n_fft,) that frames are multiplied with.
    """

    def __init__(self, sample_rate: int, n_fft: int, hop: int, seconds: float) -> None:
        if sample_rate < 1 or n_fft < 2 or n_fft % 2 or not 0 < hop <= n_fft or not 0 < seconds < float("inf"):
            raise ValueError(
                "sample_rate and seconds must be above 0, n_fft even and 0 < hop <= n_fft, got "
                f"sample_rate={sample_rate}, seconds={seconds}, n_fft={n_fft}, hop={hop}"
            )
        self._n_fft, self.hop, self.frames = n_fft, hop, round(seconds * sample_rate / hop)
        if self.frames < FEWEST:
            raise ValueError(
                f"{seconds} s are {self.frames} frames, and a coherence takes {FEWEST}: raise seconds, or lower hop "
                "and n_fft"
            )
        self.shortest = n_fft + (FEWEST - 1) * hop
        window = hann(n_fft)
        # So that squared magnitudes are one-sided densities.
        self.window = window * np.sqrt(2.0 / (sample_rate * np.square(window).sum()))

    def __call__(self, clip: NDArray[np.float32]) -> Complex:
        """(2, n_samples) -> (2, time, bins); raises DataError for a clip of fewer than 8 frames."""
        if clip.shape[1] < self.shortest:
            raise DataError(
                f"a clip of {clip.shape[1]} samples is too short for a coherence, which takes {FEWEST} frames, so "
                f"{self.shortest} samples. Set the encoder's n_fft and hop to less."
            )
        signals = np.array(clip, dtype=np.float64, order="C")
        spectra: Complex = np.fft.rfft(framed(signals, self._n_fft, self.hop) * self.window, axis=-1)
        return spectra


def common(spectra: Complex, starts: Rows, stops: Rows) -> Common:
    """(2, time, bins), and the first frame of each segment and the first one after it -> what is common in it."""

    def mean(products: NDArray[Any]) -> NDArray[Any]:
        sums = np.concatenate([np.zeros_like(products[:1]), np.cumsum(products, axis=0)])
        means: NDArray[Any] = (sums[stops] - sums[starts]) / (stops - starts)[:, None]
        return means

    # A difference of two sums may be rounded to less than nothing.
    near, far = (np.maximum(mean(power(channel)), 0.0) for channel in spectra)
    coherency = mean(spectra[0] * spectra[1].conj()) / np.sqrt((near + FLOOR) * (far + FLOOR))
    return Common(near, far, coherency / np.maximum(np.abs(coherency), 1.0))


def unit_bands(sample_rate: int, n_fft: int, n_bands: int) -> MelSums:
    """Mel triangles from 0 Hz to half the sample rate, each with weights that sum to 1."""
    bank = filled(slaney_bank(sample_rate, n_fft, n_bands, 0.0, sample_rate / 2.0), n_fft)
    return MelSums(bank / bank.sum(axis=1, keepdims=True))


def both_channels(audio: NDArray[np.float32], encoder: str) -> NDArray[np.float32]:
    """Return (n_clips, 2, n_samples) as it is; raises DataError for any other shape."""
    if audio.ndim != 3 or audio.shape[1] != 2 or 0 in audio.shape:
        raise DataError(
            f"{encoder} reads a near and a far channel, (n_clips, 2, n_samples), and got {audio.shape}. "
            "Give it the view 'stereo'."
        )
    return audio
