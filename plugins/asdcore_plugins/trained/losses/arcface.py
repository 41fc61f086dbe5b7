"""The loss ``arcface``: an additive angular margin on the true class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asdcore_plugins.trained.losses.head import Head, cosines, inside


class ArcFace(Head):
    """ArcFace: the angle to the true class counts as larger by a margin, so that it must become smaller.

    The logit of class c is ``s [(1 - y_c) cos theta_c + y_c cos(theta_c + m)]``: for hard labels the margin is on the
    true class alone, soft labels share it out. ASDKit adds it to every class, which is another loss.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding. With one class the loss is 0.
    scale : float
        s.
    margin : float
        m, in radians, at least 0 and below pi.
    monotone : bool
        Where theta + m exceeds pi, take ``cos theta - m sin m`` instead, which keeps falling with theta. False leaves
        the cosine as it is.
    trainable : bool
        Whether the centres are trained.

    References
    ----------
    Deng, Guo, Xue and Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", CVPR 2019, eq. 3.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        monotone: bool = True,
        trainable: bool = False,
    ) -> None:
        if classes < 1:
            raise ValueError(f"arcface needs at least one class, and there are {classes}")
        if not (0.0 < scale < math.inf and 0.0 <= margin < math.pi):
            raise ValueError(f"scale is {scale} and margin {margin} rad; allowed are scale > 0 and 0 <= margin < pi")
        super().__init__(classes, dim, (dim, classes), trainable)
        self.scale, self.margin, self.monotone = scale, margin, monotone

    def logits(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes); without labels there is no margin."""
        cosine = inside(cosines(embeddings, self.W))
        if labels is None:
            return self.scale * cosine
        sine = (1.0 - cosine.square()).sqrt()
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        if self.monotone:
            beyond = cosine < -math.cos(self.margin)  # theta + m > pi
            turned = torch.where(beyond, cosine - self.margin * math.sin(self.margin), turned)
        return self.scale * torch.lerp(cosine, turned, labels)

    def log_probabilities(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes), of the logits."""
        return torch.log_softmax(self.logits(embeddings, labels), dim=1)
