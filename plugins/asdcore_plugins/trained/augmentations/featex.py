"""The augmentation ``featex``: branches of embeddings change places, and the label says so."""

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


class FeatEx(Augmentation):
    """Feature exchange: the first branch stays, every other comes from a partner of its own.

    The label of a changed sample is ``[0, y / n, y_1 / n, ...]`` for n branches, y_i the label of the i-th branch's
    partner; that of another is ``[y, 0, ..., 0]``.

    Parameters
    ----------
    branch_dims : sequence of int
        The size of each branch's part of the embedding, in order; at least two.
    probability : float
        How likely a sample is changed.

    References
    ----------
    Wilkinghoff, "Self-supervised learning for anomalous sound detection", ICASSP 2024, sec. 2.3. Partners are
    permutations as in ASDKit, not the batch in reverse.
    """

    stage = "embedding"

    def __init__(self, branch_dims: Sequence[int], probability: float = 0.5) -> None:
        if len(branch_dims) < 2 or min(branch_dims) < 1:
            raise ValueError(f"branch_dims is {list(branch_dims)}; featex needs at least two branches with values")
        self.branch_dims, self.probability = tuple(branch_dims), check_probability(probability)
        self.times_classes = len(self.branch_dims) + 1

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``apply`` (batch,) and ``perm`` (n - 1, batch), drawn in this order."""
        apply = applied(shape[0], self.probability, generator)
        return {"apply": apply, "perm": torch.stack([partners(shape[0], generator) for _ in self.branch_dims[1:]])}

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """(batch, dim) -> (batch, dim)."""
        first, *others = torch.split(values, list(self.branch_dims), dim=1)
        perms = draws["perm"].to(values.device)
        moved = [first, *(branch[perm] for branch, perm in zip(others, perms, strict=True))]
        return torch.where(chosen(draws["apply"], values), torch.cat(moved, dim=1), values)

    def relabel(self, labels: Tensor, draws: Draws) -> Tensor:
        """(batch, classes) -> (batch, classes (n + 1))."""
        share, nothing = labels / len(self.branch_dims), torch.zeros_like(labels)
        changed = torch.cat([nothing, share, *(share[perm] for perm in draws["perm"].to(labels.device))], dim=1)
        same = torch.cat([labels, *[nothing] * len(self.branch_dims)], dim=1)
        return torch.where(chosen(draws["apply"], labels), changed, same)
