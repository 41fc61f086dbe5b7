"""MobileNetV3-Large on a spectrogram, with squeeze-and-excitation over channels: the network of EfficientAT.

Howard et al., "Searching for MobileNetV3", ICCV 2019, table 1; Schmid, Koutini and Widmer, "Efficient large-scale audio
tagging via Transformer-to-CNN knowledge distillation", ICASSP 2023, for the width multiplier and the one-channel input.
Modules are named as in the authors' checkpoints. Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asdcore_plugins.nn import stages

# Kernel, expanded channels, channels out, squeeze-and-excitation, activation, stride; channels at width 1.
BLOCKS = (
    (3, 16, 16, False, nn.ReLU, 1),
    (3, 64, 24, False, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 1),
    (5, 72, 40, True, nn.ReLU, 2),
    (5, 120, 40, True, nn.ReLU, 1),
    (5, 120, 40, True, nn.ReLU, 1),
    (3, 240, 80, False, nn.Hardswish, 2),
    (3, 200, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 480, 112, True, nn.Hardswish, 1),
    (3, 672, 112, True, nn.Hardswish, 1),
    (5, 672, 160, True, nn.Hardswish, 2),
    (5, 960, 160, True, nn.Hardswish, 1),
    (5, 960, 160, True, nn.Hardswish, 1),
)
STEM, HIDDEN = 16, 1280
"""Channels of the first convolution and of the classifier's hidden layer, at width 1."""


class MobileNetV3(nn.Module):
    """(n_clips, frames, n_mels) -> maps (n_clips, channels, bands, time) of ``features`` 0 (the stem) to 16; "final".

    "final" is the mean of map 16: (n_clips, dim). ``width_mult`` scales every number of channels. The classifier, of
    ``n_classes``, is loaded and never run.
    """

    def __init__(self, width_mult: float, n_classes: int) -> None:
        super().__init__()
        channels = scaled(STEM, width_mult)
        features: list[nn.Module] = [convolution(1, channels, 3, nn.Hardswish, stride=2)]
        for kernel, expanded, out, squeeze, activation, stride in BLOCKS:
            expanded, out = scaled(expanded, width_mult), scaled(out, width_mult)
            features.append(InvertedResidual(channels, expanded, out, kernel, squeeze, activation, stride))
            channels = out
        features.append(convolution(channels, 6 * channels, 1, nn.Hardswish))
        self.features = nn.Sequential(*features)
        self.classifier = classifier(6 * channels, scaled(HIDDEN, width_mult), n_classes)

    def forward(self, mel: Tensor, layers: Sequence[int | str] = ("final",)) -> dict[int | str, Tensor]:
        """Return the maps asked for; nothing above the highest of them is computed."""
        return stages.run(self.features, mel.transpose(1, 2)[:, None], layers, lambda x: x.mean(dim=(2, 3)))


class InvertedResidual(nn.Module):
    """Expand if there is anything to; filter each channel, weigh channels, project; add if shapes agree."""

    def __init__(
        self,
        channels: int,
        expanded: int,
        out: int,
        kernel: int,
        squeeze: bool,
        activation: type[nn.Module],
        stride: int,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and channels == out
        steps: list[nn.Module] = []
        if expanded != channels:
            steps.append(convolution(channels, expanded, 1, activation))
        steps.append(convolution(expanded, expanded, kernel, activation, stride=stride, groups=expanded))
        if squeeze:
            steps.append(ConcurrentSqueezeExcitation(expanded))
        steps.append(convolution(expanded, out, 1, None))
        self.block = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) -> (n_clips, out, bands / stride, time / stride)."""
        out: Tensor = self.block(x)
        return x + out if self.residual else out


class ConcurrentSqueezeExcitation(nn.Module):
    """The authors' holder of squeeze-and-excitation layers over several axes, of which released models use channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) -> the same shape."""
        out: Tensor = self.conc_se_layers[0](x)
        return out


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a sigmoid of all channels' means (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels // 4)
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, channels, bands, time) -> the same shape."""
        weights = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


def largest_maps(width_mult: float) -> float:
    """Return how many numbers, by those of the spectrogram, the maps have that are in memory together at the most.

    That is where the second block expands its channels, at a quarter of the spectrogram's size: twice the expanded map,
    and twice what enters it. The rest is what the allocator does not give back between windows, as measured.
    """
    _, expanded, *_ = BLOCKS[1]
    return (2 * scaled(expanded, width_mult) + 2 * scaled(STEM, width_mult) + 96) / 4


def convolution(
    channels: int,
    out: int,
    kernel: int,
    activation: type[nn.Module] | None,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution without bias, batch normalization, activation."""
    filtered = nn.Conv2d(channels, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    return nn.Sequential(filtered, normalization(out), *([activation()] if activation else []))


def normalization(channels: int) -> nn.BatchNorm2d:
    """Batch normalization as MobileNetV3 has it."""
    return nn.BatchNorm2d(channels, eps=1e-3)


def classifier(channels: int, hidden: int, n_classes: int) -> nn.Sequential:
    """What the released models have behind their last map; its first two steps give the embedding."""
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(
        *pooled, nn.Linear(channels, hidden), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(hidden, n_classes)
    )


def scaled(channels: int, width_mult: float) -> int:
    """Channels of a network of width 1 -> of one of another width."""
    return divisible(channels * width_mult)


def divisible(channels: float) -> int:
    """The nearest multiple of 8, but none that loses more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
