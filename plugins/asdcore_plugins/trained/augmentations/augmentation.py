"""What every augmentation has: draws made from a named generator, and what they do to values and to labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Draws = Mapping[str, Tensor]
"""What was drawn for a batch, by name. The same draws do the same, whatever drew them."""


class Augmentation(ABC):
    """Changes a batch in training, and its labels if a changed sample is no longer what it was.

    Attributes
    ----------
    stage : str
        What is changed: "wave" (batch, n_samples), "magnitude" (batch, frequency, time), "embedding" (batch, dim).
    times_classes : int
        How many times as many classes there are afterwards; :meth:`classes_after` says how many.
    """

    stage: str
    times_classes: int = 1

    @abstractmethod
    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Draw for a batch of values of this shape; without a generator, draws that change nothing."""

    @abstractmethod
    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """Return the changed values, of the same shape."""

    def relabel(self, labels: Tensor, draws: Draws) -> Tensor:
        """(batch, classes) -> (batch, classes_after(classes))."""
        return labels

    def classes_after(self, classes: int) -> int:
        """Return how many classes there are afterwards."""
        return classes * self.times_classes

    def __call__(self, values: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return changed values and labels.

        Parameters
        ----------
        values : (batch, ...) tensor
        labels : (batch, classes) tensor
            One-hot or soft.
        draws : mapping
            As :meth:`draw` returns them.
        """
        return self.change(values, draws), self.relabel(labels, draws)


def check_probability(probability: float) -> float:
    """Return it, or raise ValueError unless it is between 0 and 1."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability is {probability}; allowed is 0 to 1")
    return probability


def applied(batch: int, probability: float, generator: torch.Generator | None) -> Tensor:
    """Draw which samples are changed: (batch,) of 0.0 and 1.0; none without a generator."""
    if generator is None:
        return torch.zeros(batch)
    return (torch.rand(batch, generator=generator) < probability).float()


def partners(batch: int, generator: torch.Generator | None) -> Tensor:
    """Draw a permutation of the batch (batch,); everyone is its own partner without a generator."""
    return torch.arange(batch) if generator is None else torch.randperm(batch, generator=generator)


def chosen(apply: Tensor, values: Tensor) -> Tensor:
    """(batch,) -> booleans that stand before every axis of the values: which samples are changed."""
    return (apply > 0).to(values.device).reshape(-1, *[1] * (values.ndim - 1))
