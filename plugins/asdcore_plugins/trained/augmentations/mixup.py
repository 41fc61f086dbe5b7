"""The augmentation ``mixup``: a sample becomes a blend of itself and another one, and so does its label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import (
    Augmentation,
    Draws,
    applied,
    check_probability,
    partners,
)

LABELS = ("blend", "new_class")


class Mixup(Augmentation):
    """Mixup: lambda a + (1 - lambda) b, with lambda uniform in [0, 1] for each sample and a partner from the batch.

    Blending is linear, so spectra may be blended in place of waveforms.

    Parameters
    ----------
    probability : float
        How likely a sample is blended.
    label : str
        What a blend is: "blend", a blend of both labels, so that blends count as normal; or "new_class", one class more
        that all blends are of, so that they stand for anomalies. A sample drawn as its own partner is no blend.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018. Lambda is uniform and
    drawn for each sample as ASDKit has it, not from a beta distribution for the batch. Both ways to label blends were
    among the best of 2023: Dohi et al., "Description and discussion on DCASE 2023 Challenge Task 2", arXiv 2305.07828,
    section 4.
    """

    stage = "wave"

    def __init__(self, probability: float = 0.5, label: str = "blend") -> None:
        if label not in LABELS:
            raise ValueError(f"label is {label!r}; allowed are {', '.join(LABELS)}")
        self.probability, self.label = check_probability(probability), label

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``lam``, ``perm`` and ``apply``, (batch,) each, drawn in this order."""
        batch = shape[0]
        lam = torch.ones(batch) if generator is None else torch.rand(batch, generator=generator)
        perm = partners(batch, generator)
        return {"lam": lam, "perm": perm, "apply": applied(batch, self.probability, generator)}

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """Blend a batch (batch, ...), real or complex."""
        real = values.real.dtype if values.is_complex() else values.dtype
        share = torch.where(draws["apply"] > 0, draws["lam"], 1.0).to(values.device, real)
        share = share.reshape(-1, *[1] * (values.ndim - 1))
        return values[draws["perm"].to(values.device)].mul_(1.0 - share).add_(share * values)

    def relabel(self, labels: Tensor, draws: Draws) -> Tensor:
        """Blend the labels alike, or give blends the new class, the last one."""
        if self.label == "blend":
            return self.change(labels, draws)
        changes_place = draws["perm"].cpu() != torch.arange(len(labels))
        is_blend = ((draws["apply"].cpu() > 0) & changes_place)[:, None].to(labels)
        return torch.cat([labels * (1.0 - is_blend), is_blend], dim=1)

    def classes_after(self, classes: int) -> int:
        """Return how many classes there are afterwards: one more, if blends are of a new one."""
        return classes + (self.label == "new_class")
