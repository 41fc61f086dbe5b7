"""The convolutional networks of PANNs on a log-mel spectrogram: Cnn14, Cnn10, Cnn6 and MobileNetV1.

Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition", IEEE/ACM TASLP 28
(2020), table I and section III. Modules are named as in the authors' checkpoints. Importing this module imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asdcore_plugins.nn import stages

NOT_JOINED = 1.5
"""By how much maps take more memory than they have, for what the allocator cannot join between windows; measured."""


class Pann(nn.Module):
    """What the four networks share: they differ in their stages alone.

    (n_clips, frames, n_mels) dB -> maps (n_clips, channels, frames, bands) of each stage, 0 being what enters the first
    block, and "final", the embedding (n_clips, dim): the mean over bands, then maximum plus mean over time, a linear
    layer and ReLU. The classifier is loaded and never run.
    """

    shrink: int
    """Frames of the spectrogram that make one of the last map: with fewer there is none."""
    largest_maps: float
    """How many numbers, by those of the spectrogram, its maps take in memory at the most, with :data:`NOT_JOINED`."""

    def __init__(self, n_mels: int, channels: int, dim: int, n_classes: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.fc1 = nn.Linear(channels, dim)
        self.fc_audioset = nn.Linear(dim, n_classes)

    def stages(self) -> Sequence[nn.Module]:
        """What makes the maps 0, 1, 2, ... one after the other out of the normalized spectrogram."""
        raise NotImplementedError

    def forward(self, mel: Tensor, layers: Sequence[int | str] = ("final",)) -> dict[int | str, Tensor]:
        """Return the maps asked for; nothing above the highest of them is computed."""
        x = self.bn0(mel.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)
        return stages.run(self.stages(), x, layers, self._embedding)

    def _embedding(self, x: Tensor) -> Tensor:
        pooled = x.mean(dim=3)
        return torch.relu(self.fc1(pooled.amax(dim=2) + pooled.mean(dim=2)))


class Cnn(Pann):
    """Cnn14, Cnn10 and Cnn6: blocks of one or two convolutions, each block but Cnn14's last halving both axes."""

    def __init__(self, n_mels: int, dim: int, n_classes: int, *, n_blocks: int, n_convs: int, kernel: int) -> None:
        channels = [1, *(64 << i for i in range(n_blocks))]
        super().__init__(n_mels, channels[-1], dim, n_classes)
        self.largest_maps = NOT_JOINED * (1 + n_convs) * channels[1]
        halvings = min(n_blocks, 5)
        self.shrink = 1 << halvings
        self._blocks = [f"conv_block{i}" for i in range(1, n_blocks + 1)]
        for i, name in enumerate(self._blocks):
            self.add_module(name, ConvBlock(channels[i], channels[i + 1], n_convs, kernel, halve=i < halvings))

    def stages(self) -> Sequence[nn.Module]:
        """The spectrogram itself, then a map for each block."""
        return [nn.Identity(), *(self.get_submodule(name) for name in self._blocks)]


class ConvBlock(nn.Module):
    """One or two times convolution, batch normalization and ReLU; then, if it halves, the mean of 2 x 2."""

    def __init__(self, channels: int, out: int, n_convs: int, kernel: int, *, halve: bool) -> None:
        super().__init__()
        self._steps = range(1, n_convs + 1)
        for i in self._steps:
            inward = channels if i == 1 else out
            self.add_module(f"conv{i}", nn.Conv2d(inward, out, kernel, padding=kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(out))
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, channels, time, band) -> (n_clips, out, time / 2, band / 2), or as many if nothing is halved."""
        for i in self._steps:
            x = torch.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
        pooled: Tensor = self.pool(x)
        return pooled


class MobileNetV1(Pann):
    """MobileNetV1 (Howard et al., arXiv 1704.04861) with means of 2 x 2 in place of strides."""

    # Channels out and stride of each depthwise separable block.
    BLOCKS = (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
        *(((512, 1),) * 5),
        *((1024, 2), (1024, 1)),
    )
    STEM = 32

    def __init__(self, n_mels: int, dim: int, n_classes: int) -> None:
        super().__init__(n_mels, self.BLOCKS[-1][0], dim, n_classes)
        self.shrink = 2 * math.prod(stride for _, stride in self.BLOCKS)
        self.largest_maps = NOT_JOINED * 2 * self.STEM
        features = [nn.Sequential(*_convolution(1, self.STEM, 3, stride=2))]
        channels = self.STEM
        for out, stride in self.BLOCKS:
            depthwise = _convolution(channels, channels, 3, stride=stride, groups=channels)
            pointwise = [nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            features.append(nn.Sequential(*depthwise, *pointwise))
            channels = out
        self.features = nn.Sequential(*features)

    def stages(self) -> Sequence[nn.Module]:
        """The stem, then a map for each block."""
        return list(self.features)


def _convolution(channels: int, out: int, kernel: int, *, stride: int, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias, the mean of stride x stride, batch normalization, ReLU."""
    return [
        nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    ]
