"""The augmentation ``speed``: a sample is played faster or slower, and its pitch moves with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import (
    Augmentation,
    Draws,
    applied,
    check_probability,
)

SLOWEST, FASTEST = 0.1, 10.0


class Speed(Augmentation):
    """Speed perturbation: resampled by a factor, so that all frequencies of a sample are that many times as high.

    The label stays, and so does the length: what has become shorter is repeated, what has become longer is cut.

    Parameters
    ----------
    factors : sequence of float
        One of them is drawn for each sample that is changed; above 1 is faster. From 0.1 to 10.
    probability : float
        How likely a sample is changed.

    References
    ----------
    Ko, Peddinti, Povey and Khudanpur, "Audio augmentation for speech recognition", Interspeech 2015: factors 0.9 and
    1.1, and as many samples unchanged.
    """

    stage = "wave"

    def __init__(self, factors: Sequence[float] = (0.9, 1.1), probability: float = 0.5) -> None:
        if not factors or not all(SLOWEST <= factor <= FASTEST for factor in factors):
            raise ValueError(
                f"factors is {list(factors)}; allowed are one or more from {SLOWEST} to {FASTEST}, such as [0.9, 1.1]"
            )
        self.factors, self.probability = tuple(map(float, factors)), check_probability(probability)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``which`` factor and ``apply``, (batch,) each, drawn in this order."""
        return drawn_of(len(self.factors), shape[0], self.probability, generator)

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """(batch, n_samples) -> the same shape."""
        changed = values.clone()
        for i in torch.nonzero(draws["apply"] > 0).flatten().tolist():
            changed[i] = of_length(played(values[i], self.factors[int(draws["which"][i])]), values.shape[1])
        return changed


def drawn_of(n_choices: int, batch: int, probability: float, generator: torch.Generator | None) -> Draws:
    """Draw ``which`` of so many choices and ``apply``, (batch,) each, in this order; without a generator none apply."""
    which = torch.zeros(batch, dtype=torch.long)
    if generator is not None:
        which = torch.randint(n_choices, (batch,), generator=generator)
    return {"which": which, "apply": applied(batch, probability, generator)}


def played(wave: Tensor, factor: float) -> Tensor:
    """(n,) -> (about n / factor,): played at ``factor`` times the speed."""
    return torch.from_numpy(soxr.resample(wave.cpu().numpy(), factor, 1.0)).to(wave)


def of_length(wave: Tensor, n_samples: int) -> Tensor:
    """(n,) -> (n_samples,), repeated or cut."""
    return torch.from_numpy(np.resize(wave.cpu().numpy(), n_samples)).to(wave)
