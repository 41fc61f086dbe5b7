"""Losses by name, as a portfolio has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asdcore_plugins.trained.choice import built
from asdcore_plugins.trained.losses.adacos import AdaCos
from asdcore_plugins.trained.losses.adaproj import AdaProj
from asdcore_plugins.trained.losses.arcface import ArcFace
from asdcore_plugins.trained.losses.featex import FeatExLoss
from asdcore_plugins.trained.losses.head import Loss
from asdcore_plugins.trained.losses.sub_cluster_adacos import SubClusterAdaCos
from asdcore_plugins.trained.losses.subspace import SubspaceLoss
from asdcore_plugins.trained.losses.supervised_contrastive import SupervisedContrastive

LOSSES = {
    "adacos": AdaCos,
    "adaproj": AdaProj,
    "arcface": ArcFace,
    "featex": FeatExLoss,
    "sub_cluster_adacos": SubClusterAdaCos,
    "subspace": SubspaceLoss,
    "supervised_contrastive": SupervisedContrastive,
}

OF_BRANCHES = ("featex", "subspace")
"""Losses that look at the branches of an embedding one by one."""


def build_loss(
    name: str, classes: int, dim: int, *, branch_dims: Sequence[int] | None = None, **parameters: Any
) -> Loss:
    """Build a loss by its name.

    Weights are drawn from torch's default generator.

    Parameters
    ----------
    name : str
        One of :data:`LOSSES`.
    classes : int
        How many classes the labels have.
    dim : int
        Size of an embedding.
    branch_dims : sequence of int, optional
        Sizes of the parts that the network's branches give, in order; "subspace" and "featex" need them.
    **parameters
        Those of the loss.

    Returns
    -------
    Loss
        ``loss(embeddings, labels)`` is the mean over the batch, ``loss.parts(...)`` its summands by name and
        ``loss.load_golden(weights)`` takes weights by ASDKit's names.

    Raises
    ------
    ValueError
        If there is no such loss, a parameter is unknown or out of its range, or there are too few classes.

    Examples
    --------
    >>> import torch
    >>> loss = build_loss("sub_cluster_adacos", classes=5, dim=8, sub_clusters=4)
    >>> loss(torch.eye(8), torch.eye(5)[torch.arange(8) % 5]).shape
    torch.Size([])
    """
    if name in OF_BRANCHES:
        if not branch_dims or len(branch_dims) < 2 or sum(branch_dims) != dim:
            raise ValueError(
                f"the loss {name!r} needs the sizes of at least two branches that make up {dim} values, got "
                f"branch_dims={branch_dims}: choose a network of several branches, or the loss 'sub_cluster_adacos'"
            )
        parameters["branch_dims"] = tuple(branch_dims)
    loss: Loss = built("loss", LOSSES, name, {"classes": classes, "dim": dim, **parameters})
    return loss
