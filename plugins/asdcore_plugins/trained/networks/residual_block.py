"""The residual block of the branches of short-time spectra."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.branch import prefixed, weight
from asdcore_plugins.trained.networks.gate import Gate
from asdcore_plugins.trained.networks.norm import Norm


class ResidualBlock(nn.Module):
    """h = norm(x); h, or its pooled projection, plus gated conv(relu(norm(conv(relu(h))))).

    Note that the NORMALISED input is what skips the convolutions.

    Parameters
    ----------
    inside, out : int
        Channels.
    stride : int
        1, or 2 to halve both axes.
    gate : bool
        Whether it has squeeze and excitation.
    overwrite : bool
        Whether what enters may be overwritten in training.
    """

    def __init__(self, inside: int, out: int, stride: int, *, gate: bool, overwrite: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(inside, overwrite=overwrite), Norm(out, overwrite=True)
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.gate = Gate(out) if gate else None
        self.projection = nn.Conv2d(inside, out, 1, bias=False) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inside, frequency, time) -> (batch, out, frequency / stride, time / stride)."""
        h = self.norm1(x)
        y = self.norm2(self.conv1(h.relu()))
        y = self.conv2(y.relu())
        if self.projection is not None:
            h = self.projection(nn.functional.max_pool2d(h, 3, 2, 1))
        return h + y if self.gate is None else torch.addcmul(h, y, self.gate(y))

    def golden(self) -> dict[str, Tensor]:
        """Return weights and running statistics by ASDKit's names."""
        names = {"layer.1.weight": weight(self.conv1), "layer.4.weight": weight(self.conv2)}
        names |= prefixed("bn", self.norm1.golden()) | prefixed("layer.2", self.norm2.golden())
        if self.projection is not None:
            names["skip_connect.1.weight"] = weight(self.projection)
        return names | (prefixed("additional_layer", self.gate.golden()) if self.gate else {})
