"""DyMN: MobileNetV3 whose convolutions, activations and attention depend on the clip, of EfficientAT.

Schmid, Koutini and Widmer, "Dynamic convolutional neural networks as efficient pre-trained audio models", IEEE/ACM
TASLP 32 (2024); the equations named are of that paper. Modules are named as in the authors' checkpoints. Importing this
module imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from asdcore_plugins.nn import stages
from asdcore_plugins.nn.mobilenet import (
    BLOCKS,
    HIDDEN,
    STEM,
    InvertedResidual,
    classifier,
    convolution,
    divisible,
    normalization,
    scaled,
)

CONTEXT = (32, 128)
"""Least and greatest size of a context at width 1; between them it is a quarter of the expanded channels."""

KERNELS = 4
"""Kernels that a dynamic convolution mixes."""

PIECES = 2
"""Linear pieces of a dynamic ReLU."""


class DyMN(nn.Module):
    """(n_clips, frames, n_mels) -> maps (n_clips, channels, bands, time) 0 (the stem's) to 16; "final".

    Layers, ``width_mult`` and ``n_classes`` are as in MobileNetV3. With ``all_dynamic`` every block is dynamic,
    otherwise those alone that have squeeze-and-excitation in MobileNetV3 (the models named ``replace_se``).
    """

    def __init__(self, width_mult: float, n_classes: int, *, all_dynamic: bool) -> None:
        super().__init__()
        channels = scaled(STEM, width_mult)
        self.in_c = convolution(1, channels, 3, nn.Hardswish, stride=2)
        self.layers = nn.ModuleList()
        for kernel, expanded, out, squeeze, activation, stride in BLOCKS:
            expanded, out = scaled(expanded, width_mult), scaled(out, width_mult)
            if all_dynamic or squeeze:
                least, greatest = (scaled(size, width_mult) for size in CONTEXT)
                context = min(max(divisible(expanded // 4), least), greatest)
                block: nn.Module = DynamicBlock(channels, expanded, out, kernel, activation, stride, context)
            else:
                block = InvertedResidual(channels, expanded, out, kernel, False, activation, stride)
            self.layers.append(block)
            channels = out
        self.out_c = convolution(channels, 6 * channels, 1, nn.Hardswish)
        self.classifier = classifier(6 * channels, scaled(HIDDEN, width_mult), n_classes)

    def forward(self, mel: Tensor, layers: Sequence[int | str] = ("final",)) -> dict[int | str, Tensor]:
        """Return the maps asked for; nothing above the highest of them is computed."""
        row = [self.in_c, *self.layers, self.out_c]
        return stages.run(row, mel.transpose(1, 2)[:, None], layers, lambda x: x.mean(dim=(2, 3)))


class DynamicBlock(nn.Module):
    """An inverted residual block, all of whose steps are steered by a context made of its input."""

    def __init__(
        self,
        channels: int,
        expanded: int,
        out: int,
        kernel: int,
        activation: type[nn.Module],
        stride: int,
        context: int,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and channels == out
        self.expands = expanded != channels
        self.context_gen = Context(channels, expanded, context, stride)
        if self.expands:
            self.exp_conv = DynamicConvolution(channels, expanded, 1, context)
            self.exp_norm = normalization(expanded)
            self.exp_act = activation()
        self.depth_conv = DynamicConvolution(expanded, expanded, kernel, context, stride=stride, groups=expanded)
        self.depth_norm = normalization(expanded)
        self.depth_act = DynamicReLU(expanded, context)
        self.proj_conv = DynamicConvolution(expanded, out, 1, context)
        self.proj_norm = normalization(out)

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) -> (n_clips, out, bands / stride, time / stride)."""
        context, bands, time = self.context_gen(x)
        out = self.exp_act(self.exp_norm(self.exp_conv(x, context))) if self.expands else x
        out = self.depth_act(self.depth_norm(self.depth_conv(out, context)), context)
        # Coordinate attention: a weight for each channel and band, and one for each channel and frame.
        out = out * bands.sigmoid() * time.sigmoid()
        projected: Tensor = self.proj_norm(self.proj_conv(out, context))
        return x + projected if self.residual else projected


class Context(nn.Module):
    """Sum a map up: as a vector, as a value for each channel and band, and as one for each channel and frame."""

    def __init__(self, channels: int, expanded: int, context: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.joint_conv = nn.Conv2d(channels, context, 1, bias=False)
        self.joint_norm = normalization(context)
        self.conv_f = nn.Conv2d(context, expanded, 1)
        self.conv_t = nn.Conv2d(context, expanded, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n_clips, channels, bands, time) -> context (n_clips, context), (..., bands, 1) and (..., 1, time).

        The last two are as long as the block's own map, so shorter than the input's where the block has a stride.
        """
        sequence = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)[..., None]
        joint = functional.hardswish(self.joint_norm(self.joint_conv(sequence)))
        bands, time = joint[:, :, : x.shape[2]], joint[:, :, x.shape[2] :]
        if self.stride > 1:
            bands, time = (functional.avg_pool2d(part, (3, 1), (self.stride, 1), (1, 0)) for part in (bands, time))
        return joint.mean(dim=(2, 3)), self.conv_f(bands), self.conv_t(time).transpose(2, 3)


class DynamicConvolution(nn.Module):
    """A convolution whose kernel is a mixture, weighted for each clip by a softmax of its context (eq. 5 and 6).

    The temperature of the softmax, which falls to 1 in training, is 1.
    """

    def __init__(self, channels: int, out: int, kernel: int, context: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.shape = (out, channels // groups, kernel, kernel)
        self.stride, self.groups = stride, groups
        self.residuals = nn.Sequential(nn.Linear(context, KERNELS))
        self.weight = nn.Parameter(torch.empty(1, 1, KERNELS, out * channels // groups * kernel * kernel))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) and (n_clips, context) -> (n_clips, out, bands / stride, time / stride)."""
        n_clips, channels, bands, time = x.shape
        out, inward, kernel, _ = self.shape
        mixed = self.residuals(context).softmax(dim=1) @ self.weight[0, 0]
        # Each clip has its own kernel: clips side by side are groups of one convolution.
        filtered = functional.conv2d(
            x.reshape(1, n_clips * channels, bands, time),
            mixed.reshape(n_clips * out, inward, kernel, kernel),
            stride=self.stride,
            padding=(kernel - 1) // 2,
            groups=n_clips * self.groups,
        )
        return filtered.reshape(n_clips, out, *filtered.shape[2:])


class DynamicReLU(nn.Module):
    """The larger of two linear functions, which a clip's context sets for each channel (eq. 4)."""

    lambdas: Tensor
    init_v: Tensor

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.coef_net = nn.Sequential(nn.Linear(context, 2 * PIECES * channels))
        # Ranges and centres of the coefficients: slopes, then offsets.
        self.register_buffer("lambdas", torch.empty(2 * PIECES))
        self.register_buffer("init_v", torch.empty(2 * PIECES))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) and (n_clips, context) -> the same shape as the first."""
        spread = 2.0 * self.coef_net(context).sigmoid() - 1.0
        coefficients = spread.reshape(len(x), -1, 1, 1, 2 * PIECES) * self.lambdas + self.init_v
        pieces: Tensor = x[..., None] * coefficients[..., :PIECES] + coefficients[..., PIECES:]
        return pieces.amax(dim=-1)
