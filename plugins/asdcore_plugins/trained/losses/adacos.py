"""The loss ``adacos``: softmax of scaled cosines, whose scale needs no tuning."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asdcore_plugins.trained.losses.head import Head, cosines, first_scale, inside
from asdcore_plugins.trained.losses.scale import LARGEST, Scale, refuse_few


class AdaCos(Head):
    """AdaCos: cross-entropy of s times the cosines to one centre for each class.

    The scale begins at sqrt(2) ln(C - 1) and stays there, unless ``dynamic``: then B is the batch's mean of
    ``sum_c (1 - y_c) exp(s cos_c)``, theta the median of ``sum_c y_c theta_c``, and s becomes
    ``ln B / cos(min(pi/4, theta))`` before each step. Both are weighted by the label, so soft labels count as what they
    are; for hard labels this is the paper's rule.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, at least 3, and the size of an embedding.
    trainable : bool
        Whether the centres are trained.
    dynamic : bool
        Whether the scale follows the training.
    largest_scale : float
        What a dynamic scale never exceeds.

    References
    ----------
    Zhang, Zhao, Qiao, Wang and Li, "AdaCos: adaptively scaling cosine logits for effectively learning deep face
    representations", CVPR 2019, eq. 11-16.

    Examples
    --------
    >>> loss = AdaCos(classes=5, dim=16)
    >>> round(float(loss.scale.value), 4)
    1.9605
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        trainable: bool = False,
        dynamic: bool = False,
        largest_scale: float = LARGEST,
    ) -> None:
        refuse_few(classes, "adacos")
        super().__init__(classes, dim, (dim, classes), trainable)
        self.scale = Scale(first_scale(classes), dynamic, largest_scale)

    def log_probabilities(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes); labels move a dynamic scale in training."""
        cosine = cosines(embeddings, self.W)
        if self.scale.dynamic and self.training and labels is not None:
            self._follow(cosine.detach().double(), labels.double())
        return torch.log_softmax(self.scale.value * cosine, dim=1)

    def _follow(self, cosine: Tensor, labels: Tensor) -> None:
        others = (1.0 - labels).clamp(min=0.0).log() + self.scale.value * cosine
        log_mean = others.flatten().logsumexp(dim=0) - math.log(len(cosine))
        self.scale.follow(log_mean, (labels * inside(cosine).acos()).sum(dim=1))
