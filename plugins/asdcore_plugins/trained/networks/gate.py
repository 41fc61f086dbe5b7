"""Squeeze and excitation: how much each channel counts, from its own mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RATIO = 16


class Gate(nn.Module):
    """A factor in (0, 1) for each channel: sigmoid(W2 relu(W1 mean)), with a sixteenth of the channels between.

    Fewer than 16 channels leave nothing between, and every factor is 0.5, as in ASDKit.

    Parameters
    ----------
    channels : int

    References
    ----------
    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018, eq. 2-3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // RATIO
        self.squeeze = nn.Linear(channels, hidden, bias=False) if hidden else None
        self.excite = nn.Linear(hidden, channels, bias=False) if hidden else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, ...) -> factors (batch, channels, 1, ...)."""
        mean = x.mean(dim=tuple(range(2, x.ndim)))
        if self.squeeze is None or self.excite is None:
            factor = torch.full_like(mean, 0.5)
        else:
            factor = self.excite(self.squeeze(mean).relu()).sigmoid()
        return factor.reshape(*mean.shape, *[1] * (x.ndim - 2))

    def golden(self) -> dict[str, Tensor]:
        """Return the weights by ASDKit's names."""
        if self.squeeze is None or self.excite is None:
            return {}
        return {"layer1.0.weight": self.squeeze.weight, "layer2.0.weight": self.excite.weight}
