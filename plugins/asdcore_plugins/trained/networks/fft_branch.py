"""The branch of whole spectra: every frequency of a clip at once, and no time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.branch import Keep, after, ignore, prefixed, weight
from asdcore_plugins.trained.networks.gate import Gate
from asdcore_plugins.trained.networks.norm import Norm

CONVOLUTIONS = ((256, 64), (64, 32), (16, 4))
"""Kernel and stride of each convolution over frequency."""

LINEAR_LAYERS = 5


class FFTBranch(nn.Module):
    """Amplitude spectrum of the whole clip -> three convolutions over frequency -> six linear layers.

    Each convolution is followed by a ReLU and a gate, each linear layer but the last by a norm and a ReLU. Nothing has
    a bias.

    Parameters
    ----------
    width : int
        Channels of the convolutions, and values of the embedding.
    n_samples : int
        The length of a clip, on which the first linear layer depends.
    gates : bool
        Whether convolutions have squeeze and excitation.

    References
    ----------
    Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain generalization in anomalous
    sound detection", ICASSP 2023, tab. 1.
    """

    name = "fft"

    def __init__(self, width: int, n_samples: int, *, gates: bool = True) -> None:
        super().__init__()
        channels = [1, *[width] * len(CONVOLUTIONS)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inside, width, kernel, stride, bias=False)
            for inside, (kernel, stride) in zip(channels, CONVOLUTIONS, strict=False)
        )
        self.gates = nn.ModuleList(Gate(width) for _ in CONVOLUTIONS) if gates else None
        sizes = [width * _places(n_samples), *[width] * LINEAR_LAYERS]
        self.linear = nn.ModuleList(nn.Linear(size, width, bias=False) for size in sizes)
        self.norms = nn.ModuleList(Norm(width) for _ in range(LINEAR_LAYERS))

    def forward(self, wave: Tensor, keep: Keep = ignore) -> Tensor:
        """(batch, n_samples) -> (batch, width)."""
        return self.embedded(torch.fft.rfft(wave).abs(), keep)

    def embedded(self, magnitude: Tensor, keep: Keep = ignore) -> Tensor:
        """(batch, bins) -> (batch, width)."""
        keep("magnitude", magnitude)
        x = magnitude[:, None]
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x)
            keep(f"conv{i + 1}", x)
            x = nn.functional.relu(x, inplace=True)
            x = x if self.gates is None else x * self.gates[i](x)
            keep(f"se{i + 1}", x)
        x = self.linear[0](x.flatten(1))
        keep("flatten_linear", x)
        for i, (norm, linear) in enumerate(zip(self.norms, self.linear[1:], strict=True)):
            x = nn.functional.relu(norm(x), inplace=True)
            keep(f"mlp{i}", x)
            x = linear(x)
        keep("embedding", x)
        embedding: Tensor = x
        return embedding

    def golden(self) -> dict[str, Tensor]:
        """Return weights and running statistics by ASDKit's names."""
        names: dict[str, Tensor] = {}
        for i, convolution in enumerate(self.convolutions):
            names[f"conv1d_layer.{3 * i}.weight"] = weight(convolution)
            if self.gates is not None:
                names |= prefixed(f"conv1d_layer.{3 * i + 2}", _gate(self.gates[i]).golden())
        for (where, i), linear in zip(_places_of_linear(), self.linear, strict=True):
            names[f"{where}.{i}.weight"] = weight(linear)
        for (where, i), norm in zip(_places_of_linear(), self.norms, strict=False):
            names |= prefixed(
                f"{where}.{i + 1}", {name: norm.get_buffer(name) for name in ("running_mean", "running_var")}
            )
        return prefixed("layer", names)


def least_samples() -> int:
    """Return the shortest clip of which the last convolution leaves a place.

    Examples
    --------
    >>> least_samples() / 16000
    4.375875
    """
    places = 1
    for kernel, stride in reversed(CONVOLUTIONS):
        places = (places - 1) * stride + kernel
    return 2 * (places - 1)


def _places(n_samples: int) -> int:
    places = n_samples // 2 + 1
    for kernel, stride in CONVOLUTIONS:
        places = after(places, kernel, stride)
    return places


def _places_of_linear() -> Iterator[tuple[str, int]]:
    """Yield where ASDKit keeps the linear layers."""
    yield "aggregate_layer", 1
    yield from (("last_layer", 3 * i) for i in range(LINEAR_LAYERS))


def _gate(module: nn.Module) -> Gate:
    assert isinstance(module, Gate)
    return module
