"""The scale of AdaCos and its kin: a number that stays, or follows the training within a bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

QUARTER = math.pi / 4.0

LARGEST = 64.0
"""The bound of a scale that follows the training: what ArcFace trains with."""


class Scale(nn.Module):
    """The factor of the cosines.

    A scale that follows the training is kept in float64 and in the state dictionary, so that a training goes on where
    it stopped.

    Parameters
    ----------
    first : float
        The scale at the start.
    dynamic : bool
        Whether it follows the training.
    largest : float
        What a dynamic scale never exceeds.
    """

    value: Tensor

    def __init__(self, first: float, dynamic: bool, largest: float = LARGEST) -> None:
        super().__init__()
        if not 0.0 < largest < math.inf:
            raise ValueError(f"largest_scale is {largest}; allowed is a finite number above 0")
        self.dynamic, self.largest = dynamic, largest
        self.register_buffer("value", torch.tensor(first, dtype=torch.float64), persistent=dynamic)

    def follow(self, log_sum: Tensor, angles: Tensor, epsilon: float = 0.0) -> None:
        """Set the scale to log_sum / (cos(min(pi/4, median angle)) + epsilon), within its bound.

        A batch that gives no positive, finite scale changes nothing.

        Parameters
        ----------
        log_sum : () tensor
            ln of the mean sum of exponentials over the batch.
        angles : (batch,) tensor
            Radians to the own class. The median of an even number is its lower middle.
        """
        fitted = log_sum.double() / (angles.double().median().clamp(max=QUARTER).cos() + epsilon)
        usable = fitted.isfinite() & (fitted > 0)
        self.value.copy_(torch.where(usable, fitted.clamp(max=self.largest), self.value))


def refuse_few(classes: int, loss: str) -> None:
    """Raise ValueError for fewer than 3 classes: sqrt(2) ln(C - 1) is 0 or less, and nothing is learnt."""
    if classes < 3:
        raise ValueError(
            f"{loss} needs at least 3 classes and there {'is' if classes == 1 else 'are'} {classes}: its scale "
            "sqrt(2) ln(classes - 1) would be 0 or less. Use sub_cluster_adacos, which takes 2, or train on more "
            "machines."
        )
