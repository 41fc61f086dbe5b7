"""The augmentation ``pitch``: a sample becomes higher or lower, and takes as long as before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import (
    Augmentation,
    Draws,
    check_probability,
)
from asdcore_plugins.trained.augmentations.speed import drawn_of, of_length, played

N_FFT, HOP = 1024, 256
MOST = 24.0


class Pitch(Augmentation):
    """Pitch shift: stretched in time by a phase vocoder, then played as much faster.

    The label and the length stay. What a vocoder does to knocks can be heard: it smears them over a frame of 1,024
    samples.

    Parameters
    ----------
    semitones : sequence of float
        One of them is drawn for each sample that is changed; above 0 is higher. From -24 to 24.
    probability : float
        How likely a sample is changed.

    References
    ----------
    Laroche and Dolson, "Improved phase vocoder time-scale modification of audio", IEEE Transactions on Speech and Audio
    Processing 7 (3), 1999, section II (the classical vocoder, without phase locking). Pitch shift is among what entries
    of 2023 augmented by (arXiv 2305.07828, section 4), which does not say by how much: the default is ours.
    """

    stage = "wave"

    def __init__(self, semitones: Sequence[float] = (-1.0, 1.0), probability: float = 0.5) -> None:
        if not semitones or not all(-MOST <= steps <= MOST for steps in semitones):
            raise ValueError(
                f"semitones is {list(semitones)}; allowed are one or more from {-MOST:g} to {MOST:g}, such as [-1, 1]"
            )
        self.semitones, self.probability = tuple(map(float, semitones)), check_probability(probability)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``which`` shift and ``apply``, (batch,) each, drawn in this order."""
        return drawn_of(len(self.semitones), shape[0], self.probability, generator)

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """(batch, n_samples) -> the same shape."""
        changed = values.clone()
        for i in torch.nonzero(draws["apply"] > 0).flatten().tolist():
            factor = 2.0 ** (self.semitones[int(draws["which"][i])] / 12.0)
            changed[i] = of_length(played(stretched(values[i], factor), factor), values.shape[1])
        return changed


def stretched(wave: Tensor, factor: float) -> Tensor:
    """(n,) -> (about n factor,): the same pitch, ``factor`` times as long.

    Frames are taken ``1 / factor`` hops apart: magnitudes between those of two neighbours, while every bin's phase goes
    on by what it goes on between these neighbours.
    """
    window = torch.hann_window(N_FFT, dtype=wave.dtype, device=wave.device)
    # Silence behind the end: where windows do not overlap, their sum is next to nothing, and is divided by.
    beyond_end = math.ceil(2 * N_FFT / factor)
    sound = torch.nn.functional.pad(wave, (0, beyond_end))
    frames = torch.stft(sound, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
    places = torch.arange(0, frames.shape[1] - 1, 1.0 / factor, dtype=torch.float64, device=wave.device)
    left, share = places.long(), places.frac().to(wave.dtype)
    magnitudes = torch.lerp(frames.abs()[:, left], frames.abs()[:, left + 1], share)
    phases = frames.angle()
    expected = (2.0 * math.pi * HOP / N_FFT) * torch.arange(len(frames), dtype=wave.dtype, device=wave.device)[:, None]
    beyond = phases[:, left + 1] - phases[:, left] - expected
    steps = expected + beyond - 2.0 * math.pi * torch.round(beyond / (2.0 * math.pi))
    turned = torch.cumsum(torch.cat([phases[:, :1], steps[:, :-1]], dim=1).double(), dim=1).to(wave.dtype)
    length = round(len(wave) * factor)
    return torch.istft(torch.polar(magnitudes, turned), N_FFT, HOP, window=window, center=True, length=length)
