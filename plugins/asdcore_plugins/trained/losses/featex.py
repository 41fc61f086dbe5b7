"""The loss ``featex``: it must be seen whether the branches of an embedding belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.featex import FeatEx
from asdcore_plugins.trained.losses.head import Loss
from asdcore_plugins.trained.losses.sub_cluster_adacos import SubClusterAdaCos


class FeatExLoss(Loss):
    """A sub-cluster AdaCos of the embedding, centres held still, and one of embeddings with exchanged branches.

    The second head has C (n + 1) classes for n branches, and its centres are trained. In evaluation nothing is
    exchanged. ASDKit trains on twice the sum; see :class:`~asdcore_plugins.trained.losses.subspace.SubspaceLoss`.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding.
    branch_dims : sequence of int
        The size of each branch's part of the embedding, in order; at least two.
    sub_clusters : int
        Centres for each class, in both heads.
    weight : float
        What the head of the exchanged embeddings counts.
    probability : float
        How likely the branches of a sample are exchanged.
    trainable : bool
        Whether the centres of the main head are trained too.

    References
    ----------
    Wilkinghoff, "Self-supervised learning for anomalous sound detection", ICASSP 2024, sec. 2.3; as ASDKit has it.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        branch_dims: Sequence[int],
        sub_clusters: int = 16,
        weight: float = 1.0,
        probability: float = 0.5,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.dim, self.weight = classes, dim, weight
        self.exchange = FeatEx(branch_dims=branch_dims, probability=probability)
        self.main = SubClusterAdaCos(classes, dim, sub_clusters=sub_clusters, trainable=trainable)
        self.exchanged = SubClusterAdaCos(
            classes * self.exchange.times_classes, dim, sub_clusters=sub_clusters, trainable=True
        )
        self.generator = torch.Generator()

    def parts(self, embeddings: Tensor, labels: Tensor, draws: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Return ``main`` and ``exchanged``, weighted; ``draws`` replaces what the generator would draw."""
        if draws is None:
            draws = self.exchange.draw(embeddings.shape, self.generator if self.training else None)
        mixed, marked = self.exchange(embeddings, labels, draws)
        return {**self.main.parts(embeddings, labels), "exchanged": self.weight * self.exchanged(mixed, marked)}

    def golden(self) -> dict[str, Tensor]:
        """Return the centres of both heads by their names."""
        return {"head_dict.main.W": self.main.W, "featex_head_dict.main.W": self.exchanged.W}
