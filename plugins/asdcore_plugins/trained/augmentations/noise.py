"""The augmentation ``noise``: white noise is added to a sample, which stays what it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import (
    Augmentation,
    Draws,
    applied,
    check_probability,
)


class Noise(Augmentation):
    """Noise injection: white Gaussian noise, so many dB below the sample.

    The label stays. Silence stays silent.

    Parameters
    ----------
    lowest, highest : float
        Between which the ratio of the sample's power to that of the noise is drawn for each sample, uniformly, in dB.
    probability : float
        How likely a sample gets noise.

    References
    ----------
    Noise injection is among what entries of 2023 augmented by: Dohi et al., "Description and discussion on DCASE 2023
    Challenge Task 2", arXiv 2305.07828, section 4. How much noise an entry took is not said there: the default is ours.
    """

    stage = "wave"

    def __init__(self, lowest: float = 10.0, highest: float = 30.0, probability: float = 0.5) -> None:
        if not -math.inf < lowest <= highest < math.inf:
            raise ValueError(f"lowest is {lowest} dB and highest {highest} dB; allowed are numbers, lowest first")
        self.lowest, self.highest, self.probability = lowest, highest, check_probability(probability)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``decibels`` and ``apply`` (batch,) and ``noise`` (batch, n_samples), drawn in this order."""
        batch, n_samples = shape
        if generator is None:
            return {"decibels": torch.zeros(batch), "apply": torch.zeros(batch), "noise": torch.zeros(batch, n_samples)}
        decibels = self.lowest + (self.highest - self.lowest) * torch.rand(batch, generator=generator)
        apply = applied(batch, self.probability, generator)
        return {"decibels": decibels, "apply": apply, "noise": torch.randn(batch, n_samples, generator=generator)}

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """(batch, n_samples) -> the same shape."""
        level = values.square().mean(dim=1).sqrt()
        decibels, apply, noise = (draws[name].to(values) for name in ("decibels", "apply", "noise"))
        return torch.addcmul(values, (apply * level * 10.0 ** (-decibels / 20.0))[:, None], noise)
