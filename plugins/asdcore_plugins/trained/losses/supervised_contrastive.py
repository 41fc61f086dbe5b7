"""The loss ``supervised_contrastive``: samples of one class must lie closer to each other than to all others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.losses.arcface import ArcFace
from asdcore_plugins.trained.losses.head import Loss


class SupervisedContrastive(Loss):
    """Supervised contrastive loss: every other sample of the batch is a class to be told apart.

    With directions z of the embeddings, p_ij = exp(z_i . z_j / temperature) / sum over all k but i of
    exp(z_i . z_k / temperature). The loss of sample i is the mean of -log p_ij over the others j of its class, that of
    the batch the mean over the samples that have such an other. Without any it is 0, so take batches that are large
    against the number of classes.

    Soft labels, such as mixup's, make the mean a weighted one: j counts y_i . y_j. For hard labels that is the
    published loss; for soft ones it is ours.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding.
    temperature : float
        Above 0. The smaller, the more the nearest of the others count.
    classification : float
        What an ``arcface`` of the same embeddings counts, whose centres are trained: classes are then learnt in the
        same stage, as in arXiv 2509.13853, whose head and labels of mixtures are not here. 0 leaves it out.
    scale, margin : float
        Of that ``arcface``.

    References
    ----------
    Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu and Krishnan, "Supervised contrastive learning", NeurIPS
    2020, eq. 2, whose temperature is 0.1.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        temperature: float = 0.1,
        classification: float = 0.0,
        scale: float = 30.0,
        margin: float = 0.5,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"supervised_contrastive needs at least one class, and there are {classes}")
        if not (0.0 < temperature < math.inf and 0.0 <= classification < math.inf):
            raise ValueError(
                f"temperature is {temperature} and classification {classification}; allowed are a temperature above 0 "
                "and a classification of at least 0"
            )
        self.classes, self.dim, self.temperature, self.classification = classes, dim, temperature, classification
        head = ArcFace(classes, dim, scale=scale, margin=margin, trainable=True)
        self.head = head if classification else None

    def parts(self, embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``contrastive``, and ``classification``, weighted."""
        parts = {"contrastive": self._contrastive(embeddings, labels)}
        if self.head is not None:
            parts["classification"] = self.classification * self.head(embeddings, labels)
        return parts

    def golden(self) -> dict[str, Tensor]:
        """Return the centres of the classification, if there is one."""
        return {} if self.head is None else self.head.golden()

    def _contrastive(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        directions = nn.functional.normalize(embeddings, dim=1)
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        # As small as numbers get, not minus infinity, which is no number any more where there is no other sample.
        nothing = torch.finfo(directions.dtype).min
        similar = (directions @ directions.T / self.temperature).masked_fill(itself, nothing)
        surprise = -torch.log_softmax(similar, dim=1).masked_fill(itself, 0.0)
        alike = (labels @ labels.T).masked_fill(itself, 0.0)
        total = alike.sum(dim=1)
        has_other = total > 0
        of_sample = (alike * surprise).sum(dim=1) / torch.where(has_other, total, 1.0)
        return of_sample.sum() / has_other.sum().clamp(min=1)
