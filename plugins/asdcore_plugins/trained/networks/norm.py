"""Batch normalization without weights: no bias can answer for a clip, so the trivial solution of one class is out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.standardize import Standardize, StandardizeAndPool

MOMENTUM, EPSILON = 0.1, 1e-5


class Norm(nn.Module):
    """(x - mean) / sqrt(variance + 1e-5) of each channel: of the batch in training, running statistics otherwise.

    Parameters
    ----------
    channels : int
    overwrite : bool
        Whether images are overwritten in training on the CPU, if what came before does not need what it gave:
        convolutions and sums do not, a ReLU does.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, overwrite: bool = False) -> None:
        super().__init__()
        self.overwrite = overwrite
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, ...) -> the same shape."""
        if self.training and x.ndim == 4 and is_lean(x):
            x = x if self.overwrite else x.clone()
            return self._noted(Standardize, x)
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, training=self.training, momentum=MOMENTUM, eps=EPSILON
        )

    def pooled(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width), overwritten -> the maximum of 3 x 3 places at every second one."""
        if self.training and is_lean(x):
            return self._noted(StandardizeAndPool, x)
        return nn.functional.max_pool2d(self(x), 3, 2)

    def _noted(self, function: type[torch.autograd.Function], x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        count = x.numel() // x.shape[1]
        if count < 2:
            raise ValueError("one value of each channel has no variance: train with at least two clips in a batch")
        result, mean, variance = function.apply(x, EPSILON)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), MOMENTUM)
            self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), MOMENTUM)
        standardized: Tensor = result
        return standardized

    def golden(self) -> dict[str, Tensor]:
        """Return the running statistics by ASDKit's names."""
        return {"running_mean": self.running_mean, "running_var": self.running_var}


def is_lean(x: Tensor) -> bool:
    """Whether layers may work in the memory of what they are given: in a training on the CPU."""
    return x.requires_grad and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
