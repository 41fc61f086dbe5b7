"""A plain PyTorch training of the multi-branch CNN, written from the description of the recipe alone.

Contiguous float32, spectra in every step, AdamW parameter by parameter: what one would write first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RATE, CLASSES, SUB_CLUSTERS = 16000, 187, 16


def batch_norm(channels: int, axes: int) -> nn.Module:
    """Batch normalization without weights, of vectors or of images."""
    return (nn.BatchNorm2d if axes == 2 else nn.BatchNorm1d)(channels, affine=False)


class Gate(nn.Module):
    """Squeeze and excitation of ratio 16."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(),
            nn.Linear(channels // 16, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, ...) -> the same, channels weighted."""
        gate = self.layers(x.flatten(2).mean(dim=2))
        return x * gate.reshape(*gate.shape, *[1] * (x.ndim - 2))


class Whole(nn.Module):
    """The branch of whole spectra."""

    def __init__(self, width: int, samples: int) -> None:
        super().__init__()
        places, layers = samples // 2 + 1, []
        for inside, kernel, stride in ((1, 256, 64), (width, 64, 32), (width, 16, 4)):
            layers += [nn.Conv1d(inside, width, kernel, stride, bias=False), nn.ReLU(), Gate(width)]
            places = (places - kernel) // stride + 1
        layers.append(nn.Flatten())
        for inside in (width * places, *[width] * 4):
            layers += [nn.Linear(inside, width, bias=False), batch_norm(width, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, width, bias=False))

    def forward(self, wave: Tensor) -> Tensor:
        """(batch, samples) -> (batch, width)."""
        return self.layers(torch.fft.rfft(wave).abs()[:, None])


class Block(nn.Module):
    """A residual block that skips from its normalized input."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.norm = batch_norm(inside, 2)
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inside, out, 3, stride, 1, bias=False),
            batch_norm(out, 2),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            Gate(out),
        )
        pooled = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(inside, out, 1, bias=False))
        self.skip = pooled if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inside, frequency, time) -> (batch, out, ...)."""
        h = self.norm(x)
        return self.body(h) + self.skip(h)


class ShortTime(nn.Module):
    """The branch of short-time spectra."""

    window: Tensor

    def __init__(self, width: int, n_fft: int) -> None:
        super().__init__()
        self.n_fft, self.first = n_fft, math.ceil(200 * n_fft / RATE)
        self.register_buffer("window", torch.hann_window(n_fft))
        bins, channels = n_fft // 2 + 1 - self.first, width // 8
        self.norm = batch_norm(bins, 1)
        layers = [nn.Conv2d(1, channels, 7, 2, bias=False), batch_norm(channels, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
        layers += [Block(channels, channels, 1), Block(channels, channels, 1)]
        rows = ((bins - 7) // 2 - 2) // 2 + 1
        for _ in range(3):
            layers += [Block(channels, 2 * channels, 2), Block(2 * channels, 2 * channels, 1)]
            channels, rows = 2 * channels, (rows - 1) // 2 + 1
        self.layers = nn.Sequential(*layers)
        self.last = nn.Sequential(
            nn.Flatten(), batch_norm(channels * rows, 1), nn.Linear(channels * rows, width, bias=False)
        )

    def forward(self, wave: Tensor) -> Tensor:
        """(batch, samples) -> (batch, width)."""
        spectra = torch.stft(
            wave, self.n_fft, self.n_fft // 2, window=self.window, pad_mode="constant", return_complex=True
        )
        amplitudes = spectra[:, self.first :].abs() / self.window.square().sum().sqrt()
        return self.last(self.layers(self.norm(amplitudes)[:, None]).amax(dim=3))


class PlainTraining:
    """The network of the recipe dis_spec_scac_trainable, its loss and its optimizer."""

    def __init__(self, samples: int) -> None:
        self.branches = nn.ModuleList([Whole(128, samples), ShortTime(128, 1024)]).train()
        self.centres = nn.Parameter(nn.init.xavier_uniform_(torch.empty(256, CLASSES * SUB_CLUSTERS)))
        weights = [*self.branches.parameters(), self.centres]
        self.optimizer = torch.optim.AdamW(weights, lr=1e-3, foreach=False)

    def step(self, wave: Tensor, labels: Tensor) -> float:
        """Take one step of mixed waves (batch, samples) and labels (batch, classes); returns the loss."""
        share, partner = torch.rand(len(wave), 1), torch.randperm(len(wave))
        share = torch.where(torch.rand(len(wave), 1) < 0.5, share, 1.0)
        wave, labels = (share * x + (1 - share) * x[partner] for x in (wave, labels))
        z = torch.cat([branch(wave) for branch in self.branches], dim=1)
        cosine = nn.functional.normalize(z) @ nn.functional.normalize(self.centres, dim=0)
        scale = math.sqrt(2) * math.log(CLASSES * SUB_CLUSTERS - 1)
        shares = torch.softmax(scale * cosine, dim=1).reshape(len(z), CLASSES, SUB_CLUSTERS).sum(dim=2)
        loss = -(labels * shares.log()).sum(dim=1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
