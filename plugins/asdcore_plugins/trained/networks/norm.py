"""Batch normalisation without weights: no bias can answer for a clip, so the trivial solution of one class is out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.standardize import Standardize

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
        if self.training and x.ndim == 4 and not x.is_cuda and x.requires_grad:
            return self._standardized(x.contiguous(memory_format=torch.channels_last))
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, training=self.training, momentum=MOMENTUM, eps=EPSILON
        )

    def _standardized(self, x: Tensor) -> Tensor:
        count = x.numel() // x.shape[1]
        if count < 2:
            raise ValueError("one value of each channel has no variance: train with at least two clips in a batch")
        standardized, mean, variance = Standardize.apply(x if self.overwrite else x.clone(), EPSILON)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), MOMENTUM)
            self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), MOMENTUM)
        result: Tensor = standardized
        return result

    def golden(self) -> dict[str, Tensor]:
        """Return the running statistics by ASDKit's names."""
        return {"running_mean": self.running_mean, "running_var": self.running_var}
