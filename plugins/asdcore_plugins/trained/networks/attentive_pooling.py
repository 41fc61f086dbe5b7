"""Attentive statistics pooling: the mean and standard deviation of tokens, weighted by how much each one tells.

For tokens x (tokens, D), brought to channels:

    g = [x ; mean x ; sqrt(max(var x, 1e-4))]                       3D channels, the statistics repeated for every token
    a = softmax over tokens of W2 tanh(BN(relu(W1 g + b1))) + b2    3D -> hidden -> D
    mu = sum a x,   sigma = sqrt(max(sum a x^2 - mu^2, 1e-4))
    out = BN(W3 BN([mu ; sigma]) + b3)                              2D -> D

The variance is divided by one less than the number of tokens, as in ASDKit. That has no value for a single token,
whose variance is 0 here; there it is not a number, and with it the whole output.

Source: Desplanques, Thienpondt, Demuynck, "ECAPA-TDNN", Interspeech 2020, eq. (5) to (7), for one attention a channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asdcore_plugins.stats.parameters import whole
from asdcore_plugins.trained.named_weights import load_named

LEAST_VARIANCE = 1e-4
"""Below the roots, so that they have a slope even if tokens are alike."""


class AttentivePooling(nn.Module):
    """Pools tokens (batch, tokens, width) to (batch, width).

    Parameters
    ----------
    width : int
        Values of a token.
    hidden : int, optional
        Values inside the attention; by default a sixteenth of the width.

    References
    ----------
    Desplanques, Thienpondt, Demuynck, "ECAPA-TDNN: Emphasized channel attention, propagation and aggregation in TDNN
    based speaker verification", Interspeech 2020.

    Examples
    --------
    >>> pooling = AttentivePooling(32)
    >>> pooling.eval()(torch.zeros(2, 5, 32)).shape
    torch.Size([2, 32])
    """

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__()
        inside = whole("width", width) // 16 if hidden is None else hidden
        whole("hidden", inside)
        self.dim = width
        self.attention = nn.Sequential(
            nn.Conv1d(3 * width, inside, 1), nn.ReLU(), nn.BatchNorm1d(inside), nn.Tanh(), nn.Conv1d(inside, width, 1)
        )
        self.last_layer = nn.Sequential(nn.BatchNorm1d(2 * width), nn.Linear(2 * width, width), nn.BatchNorm1d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) -> (batch, width)."""
        pooled: Tensor = self.last_layer(self.statistics(x, self.weights(x)))
        return pooled

    def weights(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) -> attention (batch, width, tokens), which adds up to 1 over tokens."""
        x = x.transpose(1, 2)
        mean = x.mean(dim=2, keepdim=True)
        spread = x.var(dim=2, keepdim=True, unbiased=x.shape[2] > 1).clamp(min=LEAST_VARIANCE).sqrt()
        context = torch.cat([x, mean.expand_as(x), spread.expand_as(x)], dim=1)
        return torch.softmax(self.attention(context), dim=2)

    def statistics(self, x: Tensor, weights: Tensor) -> Tensor:
        """(batch, tokens, width), (batch, width, tokens) -> weighted mean and deviation (batch, 2 width)."""
        x = x.transpose(1, 2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x.square()).sum(dim=2) - mean.square()
        return torch.cat([mean, variance.clamp(min=LEAST_VARIANCE).sqrt()], dim=1)

    def golden(self) -> dict[str, Tensor]:
        """Return every weight and statistic by its name in ASDKit's state dictionary."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: value for name, value in own.items() if not name.endswith("num_batches_tracked")}

    def load_golden(self, weights: Mapping[str, Any]) -> AttentivePooling:
        """Take over weights by their names in ASDKit's state dictionary; returns self.

        Raises
        ------
        ValueError
            If a weight is missing, or has another shape.
        """
        load_named(self.golden(), weights)
        return self
