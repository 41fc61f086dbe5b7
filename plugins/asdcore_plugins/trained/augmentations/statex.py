"""The augmentation ``statex``: a spectrogram takes over the statistics of another one, and the label says so."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import (
    Augmentation,
    Draws,
    applied,
    check_probability,
    chosen,
    partners,
)

AXES = {"time": 2, "frequency": 1}
PARTNERS = ("permutation", "reversed")
ROUNDINGS = 4.0
"""Deviations of so few roundings of the mean are those of a row that is constant."""


class StatEx(Augmentation):
    """Statistics exchange: ``(x - mu) / sd * sd_p + mu_p``, with mean and deviation along one axis, p the partner's.

    A changed sample's label is ``[0, y / 2, y_partner / 2]``, that of another ``[y, 0, 0]``. A row without spread takes
    over the partner's mean.

    Parameters
    ----------
    axis : str
        "time": statistics of each frequency; "frequency": of each frame, which is what the public code of the paper
        runs.
    partner : str
        "permutation" of the batch, or "reversed": the batch from its end.
    probability : float
        How likely a sample is changed.

    References
    ----------
    Chen, Song, Zhuo, Zhou, Li, Xue and McLoughlin, "An effective anomalous sound detection method based on
    representation learning with simulated anomalies", ICASSP 2023; Wilkinghoff, "Self-supervised learning for anomalous
    sound detection", ICASSP 2024, sec. 2.2.
    """

    stage = "magnitude"
    times_classes = 3

    def __init__(self, axis: str = "time", partner: str = "permutation", probability: float = 0.5) -> None:
        if axis not in AXES or partner not in PARTNERS:
            raise ValueError(
                f"axis is {axis!r} and partner {partner!r}; allowed are {', '.join(AXES)} and {', '.join(PARTNERS)}"
            )
        self.axis, self.partner, self.probability = AXES[axis], partner, check_probability(probability)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``perm`` and ``apply``, (batch,) each, drawn in this order; "reversed" draws no permutation."""
        backwards = self.partner == "reversed" and generator is not None
        perm = torch.arange(shape[0]).flip(0) if backwards else partners(shape[0], generator)
        return {"perm": perm, "apply": applied(shape[0], self.probability, generator)}

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """(batch, frequency, time) -> the same shape."""
        perm = draws["perm"].to(values.device)
        mean = values.mean(dim=self.axis, keepdim=True)
        centred = values - mean
        deviation = centred.square().mean(dim=self.axis, keepdim=True).sqrt()
        constant = deviation <= ROUNDINGS * torch.finfo(values.dtype).eps * mean.abs()
        ratio = torch.where(constant, 0.0, deviation[perm] / deviation.clamp(min=torch.finfo(values.dtype).tiny))
        return torch.where(chosen(draws["apply"], values), centred * ratio + mean[perm], values)

    def relabel(self, labels: Tensor, draws: Draws) -> Tensor:
        """(batch, classes) -> (batch, 3 classes)."""
        nothing = torch.zeros_like(labels)
        changed = torch.cat([nothing, labels / 2.0, labels[draws["perm"].to(labels.device)] / 2.0], dim=1)
        return torch.where(chosen(draws["apply"], labels), changed, torch.cat([labels, nothing, nothing], dim=1))
