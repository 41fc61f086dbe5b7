"""Layers of images for a training on the CPU: exact sums, in the memory that is there.

torch's own batch normalization of images whose channels lie side by side adds up in float32, which is wrong by 1e-4
after a million values. Here a batch is gone through in portions that fit into a core's cache: sums of portions are
float32, sums of sums float64, and deviations are from the mean.

Fresh memory costs as much as the arithmetic. So values are overwritten where the layer before does not need what it
gave, and what a ReLU gives is computed again for the gradient instead of kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PORTION = 2**17
"""Values of a portion: half a megabyte."""

Space = dict[tuple[int, ...], Tensor]
"""Memory for what is needed for a moment, by shape."""


class Standardize(torch.autograd.Function):
    """x -> (x - mean) / sqrt(variance + epsilon) of each channel, in place; also returns mean, variance (float64)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, channels, height, width), its channels side by side in memory -> the same."""
        mean, variance, factor = _standardize(x, epsilon)
        ctx.mark_dirty(x)
        ctx.mark_non_differentiable(mean, variance)
        ctx.save_for_backward(x, factor)
        return x, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x, in the memory of what :meth:`forward` gave."""
        x, factor = ctx.saved_tensors
        rows, gradient = as_rows(x), as_rows(gradients[0].contiguous(memory_format=torch.channels_last))
        total, along = gradient.sum(dim=1).double().sum(dim=0), torch.zeros(rows.shape[2], dtype=torch.float64)
        space = torch.empty_like(next(_portions(rows)))
        for of_rows, of_gradient in zip(_portions(rows), _portions(gradient), strict=True):
            product = torch.mul(of_rows, of_gradient, out=space[: len(of_rows)])
            along += product.sum(dim=1).double().sum(dim=0)
        tilt, shift = _tilt_and_shift(total, along, factor, rows)
        for of_rows, of_gradient in zip(_portions(rows), _portions(gradient), strict=True):
            of_rows.mul_(tilt).addcmul_(of_gradient, factor).sub_(shift)
        return x, None


class StandardizeAndPool(torch.autograd.Function):
    """Standardize, then the maximum of 3 x 3 places at every second one; also returns mean, variance (float64).

    The gradient of a map that is four times as large is zero but for the places of the maxima, so sums over it are sums
    over the maxima.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, channels, height, width), overwritten -> (batch, channels, (height - 1) // 2, (width - 1) // 2)."""
        mean, variance, factor = _standardize(x, epsilon)
        pooled, places = torch.nn.functional.max_pool2d(x, 3, 2, return_indices=True)
        ctx.mark_non_differentiable(mean, variance)
        ctx.save_for_backward(x, factor, pooled, places)
        return pooled, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x, in the memory of what it was overwritten with."""
        x, factor, pooled, places = ctx.saved_tensors
        rows, gradient = as_rows(x), as_rows(gradients[0].contiguous(memory_format=torch.channels_last))
        total = gradient.sum(dim=1).double().sum(dim=0)
        along = (gradient * as_rows(pooled)).sum(dim=1).double().sum(dim=0)
        tilt, shift = _tilt_and_shift(total, along, factor, rows)
        channel = torch.arange(rows.shape[2])
        for of_rows, of_gradient, of_places in zip(rows, gradient, as_rows(places), strict=True):
            of_rows.mul_(tilt).sub_(shift)
            where = of_places.mul(rows.shape[2]).add_(channel)
            of_rows.view(-1).scatter_add_(0, where.view(-1), (of_gradient * factor).view(-1))
        return x, None


class ReluConvolution(torch.autograd.Function):
    """A ReLU, and a convolution of 3 x 3 of what it gives, which is computed twice instead of kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, space: Space) -> Tensor:
        """(batch, inside, height, width) -> (batch, out, height / stride, width / stride)."""
        ctx.save_for_backward(x, kernel)
        ctx.stride, ctx.space = stride, space
        return torch.nn.functional.conv2d(_relu(x, space), kernel, stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of x and of the kernel."""
        x, kernel = ctx.saved_tensors
        of_x, of_kernel, _ = torch.ops.aten.convolution_backward(
            gradients[0],
            _relu(x, ctx.space),
            kernel,
            None,
            [ctx.stride] * 2,
            [1, 1],
            [1, 1],
            False,
            [0, 0],
            1,
            [True, True, False],
        )
        torch.ops.aten.threshold_backward.grad_input(of_x, x, 0, grad_input=of_x)
        return of_x, of_kernel, None, None


def as_rows(x: Tensor) -> Tensor:
    """View (batch, channels, height, width), channels side by side, as (batch, height * width, channels)."""
    return x.permute(0, 2, 3, 1).view(len(x), -1, x.shape[1])


def _relu(x: Tensor, space: Space) -> Tensor:
    """Return the ReLU of x, in memory that the next one of this shape overwrites."""
    if tuple(x.shape) not in space:
        space[tuple(x.shape)] = torch.empty_like(x)
    return torch.clamp(x, min=0, out=space[tuple(x.shape)])


def _standardize(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Overwrite x; return the mean and variance of each channel in float64, and what deviations were multiplied by."""
    rows = as_rows(x)
    count = rows.shape[0] * rows.shape[1]
    mean = rows.sum(dim=1).double().sum(dim=0) / count
    centre, squares = mean.to(rows.dtype), torch.zeros_like(mean)
    space = torch.empty_like(next(_portions(rows)))
    for portion in _portions(rows):
        portion.sub_(centre)
        square = torch.mul(portion, portion, out=space[: len(portion)])
        squares += square.sum(dim=1).double().sum(dim=0)
    variance = squares / count - (mean - centre).square()
    factor = (variance + epsilon).rsqrt().to(rows.dtype)
    rows.mul_(factor)
    return mean, variance, factor


def _tilt_and_shift(total: Tensor, along: Tensor, factor: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return what standardized values are multiplied by, and what is taken off, to be a gradient."""
    count = rows.shape[0] * rows.shape[1]
    return (-along / count).to(rows.dtype) * factor, (total / count).to(rows.dtype) * factor


def _portions(rows: Tensor) -> Iterator[Tensor]:
    """Yield (some clips, places, channels) at a time."""
    yield from torch.split(rows, max(1, PORTION // (rows.shape[1] * rows.shape[2])))
