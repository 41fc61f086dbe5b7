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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.nn.front_ends.mel import MelSums, filled, slaney_bank
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import framed, hann, power

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Rows = NDArray[np.intp]

FLOOR = 1e-16
"""The smallest density, full scale squared per Hz: 20 dB below what rounding to 16 bits makes. Less is silence."""

TOGETHER = 1024
"""Frames of a long sound that are transformed together."""

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
        self.times(clip.shape[1])
        return self._of(clip)

    def times(self, n_samples: int) -> int:
        """Return how many frames a sound has; raises DataError if they are fewer than 8."""
        if n_samples < self.shortest:
            raise DataError(
                f"a clip of {n_samples} samples is too short for a coherence, which takes {FEWEST} frames, so "
                f"{self.shortest} samples. Set the encoder's n_fft and hop to less."
            )
        return (n_samples - self._n_fft) // self.hop + 1

    def blocks(self, sound: Sound) -> Iterator[Complex]:
        """Yield the spectra (2, some time, bins) of a sound of any length; the same is raised."""
        times = self.times(len(sound))
        for first in range(0, times, TOGETHER):
            last = min(first + TOGETHER, times) - 1
            yield self._of(sound.read(first * self.hop, last * self.hop + self._n_fft))

    def _of(self, samples: NDArray[np.float32]) -> Complex:
        signals = np.array(samples, dtype=np.float64, order="C")
        spectra: Complex = np.fft.rfft(framed(signals, self._n_fft, self.hop) * self.window, axis=-1)
        return spectra


def common(spectra: Complex, starts: Rows, stops: Rows) -> Common:
    """(2, time, bins), and the first frame of each segment and the first one after it -> what is common in it."""
    sums = _Sums()
    sums.append(spectra)
    return sums.common(starts, stops)


def common_in_blocks(blocks: Iterable[Complex], starts: Rows, stops: Rows) -> Iterator[Common]:
    """Yield what :func:`common` returns, some segments at a time, as soon as their frames are there.

    blocks : spectra (2, time, bins), one after the other. starts, stops : neither ever falls.
    """
    sums, done = _Sums(), 0
    for spectra in blocks:
        sums.append(spectra)
        ready = int(np.searchsorted(stops, sums.frames, side="right"))
        if ready > done:
            yield sums.common(starts[done:ready], stops[done:ready])
            done = ready
        sums.forget(int(starts[done]) if done < len(starts) else sums.frames)


class _Sums:
    """Sums over the frames so far, of what densities and coherencies are the means of: row i is that of i frames."""

    def __init__(self) -> None:
        self.frames = 0
        self._first = 0
        self._rows: list[NDArray[Any]] = []

    def append(self, spectra: Complex) -> None:
        """Add frames (2, time, bins) one by one."""
        products = [*map(power, spectra), spectra[0] * spectra[1].conj()]
        if self._rows:
            self._rows = [
                np.concatenate([rows, np.cumsum(np.concatenate([rows[-1:], terms]), axis=0)[1:]])
                for rows, terms in zip(self._rows, products, strict=True)
            ]
        else:
            self._rows = [np.concatenate([np.zeros_like(terms[:1]), np.cumsum(terms, axis=0)]) for terms in products]
        self.frames += spectra.shape[1]

    def forget(self, frame: int) -> None:
        """Let go what only segments that begin before a frame need."""
        self._rows, self._first = [rows[frame - self._first :].copy() for rows in self._rows], frame

    def common(self, starts: Rows, stops: Rows) -> Common:
        """Return what is common in segments."""
        near_power, far_power, cross = (
            (rows[stops - self._first] - rows[starts - self._first]) / (stops - starts)[:, None] for rows in self._rows
        )
        # A difference of two sums may be rounded to less than nothing.
        near, far = (np.maximum(mean, 0.0) for mean in (near_power, far_power))
        coherency = cross / np.sqrt((near + FLOOR) * (far + FLOOR))
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
