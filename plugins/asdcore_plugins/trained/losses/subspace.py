"""The loss ``subspace``: every branch of the network must tell the classes apart by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.losses.head import Loss
from asdcore_plugins.trained.losses.sub_cluster_adacos import SubClusterAdaCos


class SubspaceLoss(Loss):
    """A sub-cluster AdaCos of the whole embedding, centres held still, and one of each branch, centres trained.

    The sum is L_main + weight (L_1 + ... + L_n). ASDKit trains on twice that: its sum and its first part share a key.
    AdamW hides the factor; logged losses do not.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding.
    branch_dims : sequence of int
        The size of each branch's part of the embedding, in order.
    sub_clusters : int
        Centres for each class, in every head.
    weight : float
        What the branches count.
    trainable : bool
        Whether the centres of the main head are trained too.

    References
    ----------
    Fujimura, Kuroyanagi and Toda, "Improvements of discriminative feature space training for anomalous sound detection
    in unlabeled conditions", ICASSP 2025, sec. 3.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        branch_dims: Sequence[int],
        sub_clusters: int = 16,
        weight: float = 1.0,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.dim, self.branch_dims, self.weight = classes, dim, tuple(branch_dims), weight
        self.main = SubClusterAdaCos(classes, dim, sub_clusters=sub_clusters, trainable=trainable)
        self.branches = nn.ModuleList(
            SubClusterAdaCos(classes, size, sub_clusters=sub_clusters, trainable=True) for size in self.branch_dims
        )

    def parts(self, embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``main``, and ``branch_0`` onwards, weighted."""
        parts = self.main.parts(embeddings, labels)
        for i, (head, own) in enumerate(
            zip(self.branches, torch.split(embeddings, list(self.branch_dims), dim=1), strict=True)
        ):
            parts[f"branch_{i}"] = self.weight * head(own, labels)
        return parts

    def golden(self) -> dict[str, Tensor]:
        """Return the centres of all heads by their names."""
        heads = {f"subspace_head_dict.main.{i}": head for i, head in enumerate(self.branches)}
        return {f"{name}.W": head.get_parameter("W") for name, head in {"head_dict.main": self.main, **heads}.items()}
