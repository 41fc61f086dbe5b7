"""The residual block of the branches of short-time spectra."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.branch import prefixed, weight
from asdcore_plugins.trained.networks.gate import Gate
from asdcore_plugins.trained.networks.norm import Norm, is_lean
from asdcore_plugins.trained.networks.standardize import ReluConvolution, Space


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
    space : mapping
        Memory that blocks share in training, for what they need for a moment.
    """

    def __init__(self, inside: int, out: int, stride: int, *, gate: bool, overwrite: bool, space: Space) -> None:
        super().__init__()
        self._space = space
        self.norm1, self.norm2 = Norm(inside, overwrite=overwrite), Norm(out, overwrite=True)
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.gate = Gate(out) if gate else None
        self.projection = nn.Conv2d(inside, out, 1, bias=False) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inside, frequency, time) -> (batch, out, frequency / stride, time / stride)."""
        h = self.norm1(x)
        y = self.norm2(self._convolved(self.conv1, h))
        y = self._convolved(self.conv2, y)
        if self.projection is not None:
            h = self.projection(nn.functional.max_pool2d(h, 3, 2, 1))
        return h + y if self.gate is None else torch.addcmul(h, y, self.gate(y))

    def _convolved(self, convolution: nn.Conv2d, x: Tensor) -> Tensor:
        """Convolve the ReLU of x."""
        if not (self.training and is_lean(x)):
            convolved: Tensor = convolution(x.relu())
            return convolved
        lean: Tensor = ReluConvolution.apply(  # type: ignore[no-untyped-call]
            x, convolution.weight, convolution.stride[0], self._space
        )
        return lean

    def golden(self) -> dict[str, Tensor]:
        """Return weights and running statistics by ASDKit's names."""
        names = {"layer.1.weight": weight(self.conv1), "layer.4.weight": weight(self.conv2)}
        names |= prefixed("bn", self.norm1.golden()) | prefixed("layer.2", self.norm2.golden())
        if self.projection is not None:
            names["skip_connect.1.weight"] = weight(self.projection)
        return names | (prefixed("additional_layer", self.gate.golden()) if self.gate else {})
