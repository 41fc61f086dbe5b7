"""The loss ``adaproj``: a class is a subspace, and the cosine is that to the projection onto it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from asdcore_plugins.trained.losses.head import Head, first_scale, inside
from asdcore_plugins.trained.losses.scale import LARGEST, Scale, refuse_few

BASES = ("sum", "qr")
SMALLEST = 1e-12
EPSILON = 1e-7


class AdaProj(Head):
    """AdaProj: scaled cosines between an embedding and its projection onto a subspace of each class.

    ``basis = "sum"`` is the published form: ``P = sum_j <x, w_j> w_j`` over unit vectors that are not orthogonal to one
    another, so P is not an orthogonal projection, and the cosine differs from that of one by up to 0.18.
    ``basis = "qr"`` makes them orthonormal first, and the cosine is the length of the projection.

    Parameters
    ----------
    classes, dim : int
        How many classes there are, at least 3, and the size of an embedding.
    subspace_dim : int
        Vectors for each class; fewer than ``dim``, or every embedding lies in every subspace.
    basis : str
        "sum" or "qr".
    trainable : bool
        Whether the vectors are trained.
    dynamic : bool
        Whether the scale follows the training, by the published rule: B counts ``exp(s cos)`` of every class but the
        true one, which counts 1. It keeps growing until ``largest_scale``.
    largest_scale : float
        What a dynamic scale never exceeds.

    References
    ----------
    Wilkinghoff, "AdaProj: adaptively scaled angular margin subspace projections for anomalous sound detection with
    auxiliary classification tasks", DCASE Workshop 2024 (arXiv 2403.14179), eq. 3-5.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        subspace_dim: int = 32,
        basis: str = "sum",
        trainable: bool = False,
        dynamic: bool = False,
        largest_scale: float = LARGEST,
    ) -> None:
        refuse_few(classes, "adaproj")
        if basis not in BASES:
            raise ValueError(f"basis is {basis!r}; allowed are {', '.join(BASES)}")
        if not 1 <= subspace_dim < dim:
            raise ValueError(
                f"subspace_dim is {subspace_dim} and an embedding has {dim} values; allowed are 1 to {dim - 1}, or "
                "every embedding would lie in every class"
            )
        super().__init__(classes, dim, (classes, subspace_dim, dim), trainable)
        self.basis = basis
        self.scale = Scale(first_scale(classes), dynamic, largest_scale)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """(batch, dim) -> (batch, classes) cosines of the embedding to its projections; at least 0."""
        along, vectors = normalize(embeddings, dim=1), normalize(self.W, dim=2)
        if self.basis == "qr":
            vectors = torch.linalg.qr(vectors.transpose(1, 2)).Q.transpose(1, 2)
        shares = torch.einsum("bd,csd->bcs", along, vectors)
        if self.basis == "qr":
            return _length(shares).squeeze(2)
        projected = torch.einsum("bcs,csd->bcd", shares, vectors)
        return shares.square().sum(dim=2) / _length(projected).squeeze(2)

    def log_probabilities(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, dim) -> (batch, classes); labels move a dynamic scale in training."""
        cosine = self.cosines(embeddings)
        if self.scale.dynamic and self.training and labels is not None:
            self._follow(cosine.detach().double(), labels.double())
        return torch.log_softmax(self.scale.value * cosine, dim=1)

    def _follow(self, cosine: Tensor, labels: Tensor) -> None:
        counted = self.scale.value * cosine * (labels < 1.0)
        log_mean = counted.flatten().logsumexp(dim=0) - math.log(len(cosine))
        self.scale.follow(log_mean, (labels * inside(cosine).acos()).sum(dim=1), EPSILON)


def _length(vectors: Tensor) -> Tensor:
    """Return lengths over the last axis, kept; 0 is a little above 0, so that it divides and has a slope."""
    return vectors.square().sum(dim=-1, keepdim=True).clamp(min=SMALLEST**2).sqrt()
