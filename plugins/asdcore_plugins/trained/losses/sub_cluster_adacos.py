"""The loss ``sub_cluster_adacos``: AdaCos with several centres for each class."""

from __future__ import annotations

import math

from torch import Tensor

from asdcore_plugins.trained.losses.head import Head, cosines, first_scale, inside
from asdcore_plugins.trained.losses.scale import LARGEST, Scale

ANGLES = ("closest", "mean", "sum", "sum_times_count")
"""How the angle to a class is made of those to its centres, for a scale that follows the training."""

EPSILON = 1e-7


class SubClusterAdaCos(Head):
    """Sub-cluster AdaCos (SCAC): the probability of a class is the sum of those of its centres.

    The softmax runs over all C K centres, with scale s = sqrt(2) ln(C K - 1). Logarithms are differences of
    log-sum-exps: no scale makes the loss infinite. With one class the loss is 0 and nothing is learnt.

    With ``dynamic`` the scale becomes ``ln B / cos(min(pi/4, theta))`` before each step, B the batch's mean of
    ``sum exp(s cos)`` over all centres, theta the batch's median angle to the own class. The published code adds up the
    angles to all centres of the class ("sum", or "sum_times_count", times the number of labels that are not 0). That is
    about 25 rad for 16 centres: always beyond pi/4, so the scale grows without a bound once cosines exceed 0.71.
    "closest" takes the nearest centre and "mean" the mean angle; ``largest_scale`` bounds all of them.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, and the size of an embedding.
    sub_clusters : int
        Centres for each class. Column c K + k of ``W`` is centre k of class c.
    trainable : bool
        Whether the centres are trained.
    dynamic : str, optional
        "closest", "mean", "sum" or "sum_times_count": the scale follows the training, by this angle. By default it
        stays.
    scale : float, optional
        The scale at the start, by default sqrt(2) ln(C K - 1).
    largest_scale : float
        What a dynamic scale never exceeds.

    References
    ----------
    Wilkinghoff, "Sub-cluster AdaCos: learning representations for anomalous sound detection", IJCNN 2021, eq. 5-8.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        sub_clusters: int = 16,
        trainable: bool = False,
        dynamic: str | None = None,
        scale: float | None = None,
        largest_scale: float = LARGEST,
    ) -> None:
        if classes < 1 or sub_clusters < 1 or classes * sub_clusters < 3:
            raise ValueError(
                f"sub_cluster_adacos needs at least 3 centres in all, and {classes} classes of {sub_clusters} are "
                f"{classes * sub_clusters}: raise sub_clusters, or train on more classes"
            )
        if dynamic is not None and dynamic not in ANGLES:
            raise ValueError(f"dynamic is {dynamic!r}; allowed are {', '.join(ANGLES)}, or leave it out")
        if scale is not None and not 0.0 < scale < math.inf:
            raise ValueError(f"scale is {scale}; allowed is a finite number above 0")
        super().__init__(classes, dim, (dim, classes * sub_clusters), trainable)
        self.sub_clusters, self.angle = sub_clusters, dynamic
        first = first_scale(classes * sub_clusters) if scale is None else scale
        self.scale = Scale(first, dynamic is not None, largest_scale)

    def log_probabilities(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes); labels move a dynamic scale in training."""
        cosine = cosines(embeddings, self.W).reshape(-1, self.classes, self.sub_clusters)
        if self.scale.dynamic and self.training and labels is not None:
            self._follow(cosine.detach().double(), labels.double())
        of_class: Tensor = (self.scale.value * cosine).logsumexp(dim=2)
        return of_class - of_class.logsumexp(dim=1, keepdim=True)

    def _follow(self, cosine: Tensor, labels: Tensor) -> None:
        log_mean = (self.scale.value * cosine).flatten().logsumexp(dim=0) - math.log(len(cosine))
        angles = inside(cosine).acos()
        of_class = {"closest": lambda: angles.amin(dim=2), "mean": lambda: angles.mean(dim=2)}
        own = (labels * of_class.get(str(self.angle), lambda: angles.sum(dim=2))()).sum(dim=1)
        if self.angle == "sum_times_count":
            own = own * (labels != 0).sum(dim=1)
        self.scale.follow(log_mean, own, EPSILON)
