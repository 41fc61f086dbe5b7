"""The branch of short-time spectra: a residual network over frequency and time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.networks.branch import Keep, after, ignore, prefixed, weight
from asdcore_plugins.trained.networks.norm import Norm
from asdcore_plugins.trained.networks.residual_block import ResidualBlock
from asdcore_plugins.trained.networks.standardize import Space

LEAST = 36
"""The fewest bins and frames that the strides leave a place of."""

STAGES, BLOCKS = 4, 2


class STFTBranch(nn.Module):
    """Amplitudes of a short-time spectrum -> norm over frequency -> stem -> 4 stages of 2 blocks -> max over time.

    The spectrum has a periodic Hann window, a hop of half of it, zeros beyond the ends, and is divided by the root of
    the window's energy. Channels double from stage to stage, from an eighth of ``width`` on. Nothing has a bias.

    Parameters
    ----------
    width : int
        Values of the embedding; 8 divides it.
    n_fft : int
        Samples of a window.
    sample_rate : int
        Hz.
    gates : bool
        Whether blocks have squeeze and excitation. With a ``width`` below 128 the first stages have fewer than 16
        channels and their gates do nothing but halve.
    f_min, f_max : float
        The frequencies kept, in Hz, both included.

    References
    ----------
    Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain generalization in anomalous
    sound detection", ICASSP 2023, tab. 1.
    """

    window: Tensor

    def __init__(
        self,
        width: int,
        n_fft: int,
        sample_rate: int,
        *,
        gates: bool = True,
        f_min: float = 200.0,
        f_max: float = 8000.0,
    ) -> None:
        super().__init__()
        self.name, self.n_fft, self.hop = f"stft{n_fft}", n_fft, n_fft // 2
        self.first, bins = _kept(n_fft, sample_rate, f_min, f_max)
        self.last = self.first + bins
        self.register_buffer("window", torch.hann_window(n_fft, dtype=torch.float32), persistent=False)
        channels, self._space = width // 8, Space()
        self.norm_of_bins = Norm(bins)
        self.stem, self.stem_norm = nn.Conv2d(1, channels, 7, 2, bias=False), Norm(channels, overwrite=True)
        sizes = [channels, *(channels << stage for stage in range(STAGES))]
        self.blocks = nn.ModuleList(
            ResidualBlock(
                sizes[stage + (block > 0)],
                sizes[stage + 1],
                1 + (stage > 0 and block == 0),
                gate=gates,
                overwrite=stage + block > 0,
                space=self._space,
            )
            for stage in range(STAGES)
            for block in range(BLOCKS)
        )
        flat = sizes[-1] * _rows(bins)
        self.flat_norm, self.linear = Norm(flat), nn.Linear(flat, width, bias=False)

    def magnitude(self, wave: Tensor) -> Tensor:
        """(batch, n_samples) -> (batch, bins, frames)."""
        window = self.window.to(wave.dtype)
        window = window / window.square().sum().sqrt()
        spectra = torch.stft(
            wave, self.n_fft, self.hop, window=window, center=True, pad_mode="constant", return_complex=True
        )
        amplitudes: Tensor = spectra[:, self.first : self.last].abs()
        return amplitudes

    def forward(self, wave: Tensor, keep: Keep = ignore, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """(batch, n_samples) -> (batch, width); ``change`` is an augmentation of magnitudes."""
        x = self.magnitude(wave)
        keep("magnitude", x)
        return self.embedded(x if change is None else change(x), keep)

    def embedded(self, magnitude: Tensor, keep: Keep = ignore) -> Tensor:
        """(batch, bins, frames) -> (batch, width)."""
        x = self.norm_of_bins(magnitude)
        keep("bn_freq", x)
        x = self._stem(x)
        keep("stem", x)
        for i, block in enumerate(self.blocks):
            x = block(x)
            keep(f"stage{i // BLOCKS + 1}_block{i % BLOCKS}", x)
        x = x.amax(dim=3)
        keep("time_max", x)
        x = self.flat_norm(x.flatten(1))
        keep("bn_flat", x)
        embedding: Tensor = self.linear(x)
        keep("embedding", embedding)
        return embedding

    def _stem(self, x: Tensor) -> Tensor:
        """(batch, bins, frames) -> (batch, channels, ...): convolution, norm, ReLU, pooling.

        The norm keeps the order of values, so pooling goes before the ReLU and has four times as much to itself.
        """
        y = _halved(x, self.stem.weight) if self.training else self.stem(x[:, None])
        return self.stem_norm.pooled(y.contiguous(memory_format=torch.channels_last)).relu()

    def train(self, mode: bool = True) -> STFTBranch:
        """Set the mode; what a training needs for a moment is given back after it."""
        if not mode:
            self._space.clear()
        super().train(mode)
        return self

    def golden(self) -> dict[str, Tensor]:
        """Return weights and running statistics by ASDKit's names."""
        names = {"layers.0.layer.0.weight": weight(self.stem), "aggregate_layer.2.weight": weight(self.linear)}
        names |= prefixed("bn_freq", self.norm_of_bins.golden()) | prefixed("layers.0.layer.1", self.stem_norm.golden())
        for i, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            names |= prefixed(f"layers.{i // BLOCKS + 1}.{i % BLOCKS}", block.golden())
        return prefixed("layer", names | prefixed("aggregate_layer.1", self.flat_norm.golden()))


def least_samples(n_fft: int) -> int:
    """Return the shortest clip that has enough frames.

    Examples
    --------
    >>> least_samples(4096) / 16000
    4.48
    """
    return (LEAST - 1) * (n_fft // 2)


def _kept(n_fft: int, sample_rate: int, f_min: float, f_max: float) -> tuple[int, int]:
    """Return the first bin kept, and how many."""
    if n_fft < 4 or n_fft % 2:
        raise ValueError(f"stft has {n_fft}; allowed are even window lengths of at least 4 samples")
    first = math.ceil(f_min * n_fft / sample_rate)
    last = min(math.floor(f_max * n_fft / sample_rate), n_fft // 2)
    if first < 0 or last - first + 1 < LEAST:
        raise ValueError(
            f"a window of {n_fft} samples has {max(last - first + 1, 0)} bins between {f_min:g} and {f_max:g} Hz, and "
            f"the network needs {LEAST}: use a longer window in stft, or move f_min and f_max apart"
        )
    return first, last - first + 1


def _rows(bins: int) -> int:
    """Return how many rows of frequency are left at the end."""
    rows = after(after(bins, 7, 2), 3, 2)
    for _ in range(STAGES - 1):
        rows = after(rows, 3, 2, 1)
    return rows


def _halved(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (batch, bins, frames) with a stride of 2, taking pairs of frames for channels.

    The sums are the same. With two channels they lie where the next layers want them, and the gradient of the kernel
    takes a third of the time.
    """
    x = nn.functional.pad(x, (0, x.shape[2] % 2))
    pairs = x.reshape(len(x), x.shape[1], -1, 2).permute(0, 3, 1, 2)
    kernels = nn.functional.pad(kernel, (0, 1)).reshape(len(kernel), 7, 4, 2).permute(0, 3, 1, 2)
    return nn.functional.conv2d(pairs, kernels.contiguous(memory_format=torch.channels_last), stride=(2, 1))
