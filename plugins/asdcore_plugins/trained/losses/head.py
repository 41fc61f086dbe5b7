"""What every loss over classes has: centres with golden names, cosines, soft labels, and a mean over the batch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.named_weights import load_named

NEAR_ONE = 1e-7
"""How far from 1 a cosine is kept before its angle is taken: the slope of the angle has no limit at 1."""


class Loss(nn.Module, ABC):
    """A loss over classes: embeddings and labels of a batch -> one number.

    Labels are rows (batch, classes), one-hot or soft: what mixup and exchanges make of them.
    """

    classes: int
    dim: int

    @abstractmethod
    def parts(self, embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """(batch, dim), (batch, classes) -> each summand of the loss by name."""

    @abstractmethod
    def golden(self) -> dict[str, Tensor]:
        """Return every weight by its name, as the tensor that is trained.

        The names are those of ASDKit's state dictionary, so that its weights can be taken over. A loss that ASDKit
        lacks chooses its own.
        """

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, the sum of its parts.

        Parameters
        ----------
        embeddings : (batch, dim) tensor
        labels : (batch, classes) tensor
            One-hot or soft; every row adds up to 1.

        Returns
        -------
        () tensor

        Raises
        ------
        ValueError
            If embeddings or labels have another shape.
        """
        if embeddings.shape != (len(labels), self.dim) or labels.shape[1:] != (self.classes,):
            raise ValueError(
                f"embeddings are {tuple(embeddings.shape)} and labels {tuple(labels.shape)}; this loss takes "
                f"(batch, {self.dim}) and (batch, {self.classes})"
            )
        return torch.stack(list(self.parts(embeddings, labels).values())).sum()

    def load_golden(self, weights: Mapping[str, Any]) -> Loss:
        """Take over weights by their names in ASDKit's state dictionary; returns self.

        Raises
        ------
        ValueError
            If a weight is missing, or has another shape.
        """
        load_named(self.golden(), {name.removeprefix("head."): value for name, value in weights.items()})
        return self


class Head(Loss):
    """One weight ``W``: class centres, or whatever a child makes its logits of.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding.
    shape : tuple of int
        The shape of ``W``; it begins Xavier-uniform.
    trainable : bool
        Whether ``W`` is trained. The published recipes hold the centres still, or train them.
    """

    W: Tensor

    def __init__(self, classes: int, dim: int, shape: tuple[int, ...], trainable: bool) -> None:
        super().__init__()
        self.classes, self.dim = classes, dim
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)), requires_grad=trainable)

    @abstractmethod
    def log_probabilities(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes) logarithms of the class probabilities.

        A loss with a margin, or with a scale that follows the training, needs the labels.
        """

    def per_sample(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each sample (batch,)."""
        return -(labels * self.log_probabilities(embeddings, labels)).sum(dim=1)

    def parts(self, embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the mean over the batch, as the part ``main``."""
        return {"main": self.per_sample(embeddings, labels).mean()}

    def golden(self) -> dict[str, Tensor]:
        """Return ``W`` by its name."""
        return {"W": self.W}


def cosines(embeddings: Tensor, centres: Tensor) -> Tensor:
    """(batch, dim) to columns (dim, n): (batch, n) cosines. A vector of zeros has cosine 0 to all."""
    return nn.functional.normalize(embeddings, dim=1) @ nn.functional.normalize(centres, dim=0)


def inside(cosine: Tensor) -> Tensor:
    """Keep cosines away from 1 and -1, so that their angle has a finite slope."""
    return cosine.clamp(-1.0 + NEAR_ONE, 1.0 - NEAR_ONE)


def first_scale(n_centres: int) -> float:
    """Return AdaCos' scale for so many centres: sqrt(2) ln(n - 1)."""
    return math.sqrt(2.0) * math.log(n_centres - 1)
