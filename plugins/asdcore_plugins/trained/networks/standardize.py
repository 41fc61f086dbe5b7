"""Batch normalisation of images on the CPU: exact sums, in the memory that is there.

torch's own kernel for images whose channels lie side by side adds up in float32, which is wrong by 1e-4 after a
million values. Here a batch is gone through in portions that fit into a core's cache: sums of portions are float32,
sums of sums float64, and deviations are from the mean. Values are overwritten, since the layer before does not need
what it gave, so that neither direction asks the system for memory, which costs as much as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PORTION = 2**17
"""Values of a portion: half a megabyte."""


class Standardize(torch.autograd.Function):
    """x -> (x - mean) / sqrt(variance + epsilon) of each channel, in place; also returns mean, variance (float64)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, channels, height, width), its channels side by side in memory -> the same."""
        rows = as_rows(x)
        mean, variance = _moments(rows)
        centre, factor = mean.to(x.dtype), (variance + epsilon).rsqrt().to(x.dtype)
        for portion in _portions(rows):
            portion.sub_(centre).mul_(factor)
        ctx.mark_dirty(x)
        ctx.mark_non_differentiable(mean, variance)
        ctx.save_for_backward(x, factor)
        return x, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x, in the memory of what :meth:`forward` gave."""
        x, factor = ctx.saved_tensors
        rows, gradient = as_rows(x), as_rows(gradients[0].contiguous(memory_format=torch.channels_last))
        count = rows.shape[0] * rows.shape[1]
        total, along = gradient.sum(dim=1).double().sum(dim=0), torch.zeros(rows.shape[2], dtype=torch.float64)
        space = torch.empty_like(next(_portions(rows)))
        for of_rows, of_gradient in zip(_portions(rows), _portions(gradient), strict=True):
            product = torch.mul(of_rows, of_gradient, out=space[: len(of_rows)])
            along += product.sum(dim=1).double().sum(dim=0)
        tilt, shift = (-along / count).to(x.dtype) * factor, (total / count).to(x.dtype) * factor
        for of_rows, of_gradient in zip(_portions(rows), _portions(gradient), strict=True):
            of_rows.mul_(tilt).addcmul_(of_gradient, factor).sub_(shift)
        return x, None


def as_rows(x: Tensor) -> Tensor:
    """View (batch, channels, height, width), channels side by side, as (batch, height * width, channels)."""
    return x.permute(0, 2, 3, 1).view(len(x), -1, x.shape[1])


def _portions(rows: Tensor) -> Iterator[Tensor]:
    """Yield (some clips, places, channels) at a time."""
    yield from torch.split(rows, max(1, PORTION // (rows.shape[1] * rows.shape[2])))


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel, in float64."""
    count = rows.shape[0] * rows.shape[1]
    mean = rows.sum(dim=1).double().sum(dim=0) / count
    centre, squares = mean.to(rows.dtype), torch.zeros_like(mean)
    space = torch.empty_like(next(_portions(rows)))
    for portion in _portions(rows):
        deviation = torch.sub(portion, centre, out=space[: len(portion)])
        squares += deviation.mul_(deviation).sum(dim=1).double().sum(dim=0)
    return mean, squares / count - (mean - centre).square()
