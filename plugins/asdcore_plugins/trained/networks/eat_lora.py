"""EAT with LoRA: the frozen network of :mod:`asdcore_plugins.nn.eat`, trained through adapters.

ASDKit fine-tunes EAT with stochastic depth, as EAT's authors do: each half of a block (attention, MLP) is left out of a
clip with a probability that grows from 0 in the first block to ``drop_path`` (0.1) in the last, and counts 1 / (1 - p)
times where it stays. Its paper does not say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.eat import BANDS, MEAN, PATCH, STD, first_tokens, network
from asdcore_plugins.nn.front_ends.padded_fbank import samples
from asdcore_plugins.nn.vit import Size, ViT
from asdcore_plugins.stats.parameters import between
from asdcore_plugins.trained.networks.adapted import AdaptedTransformer
from asdcore_plugins.trained.networks.fbank import fbank

MULTIPLE = 32
"""Frames: a clip's spectrogram is filled up with zeros to a multiple of it, as in ASDKit."""

OFFICIAL = Size(dim=768, depth=12, heads=12, hidden=3072, patch=(PATCH, PATCH))
POSITIONS = 6144
"""Sizes of the base checkpoints, for a network without one: it can be counted, not run."""


class EatLora(AdaptedTransformer):
    """EAT with an adapter beside its projections, and a linear map of its class token to the embedding.

    A clip of any length is heard whole, up to the network's last position (122 s for the official ones).

    Parameters
    ----------
    checkpoint : str or Path, optional
        A file of EAT, as for the encoder ``eat``. None: the official sizes of the base model without weights.
    targets : sequence of str
        The projections that get an adapter: "qkv" (one adapter for queries, keys and values), "proj", "fc1", "fc2".
    rank, alpha : int, float
        Of the adapters; they count alpha / rank times. ASDKit leaves peft's alpha of 8, so 0.125 times.
    dim : int
        Values of the embedding.
    pooling : str
        "cls" (the class token), "mean" of all patches, or "statistics" (attentive statistics pooling of them).
    drop_path : float
        Probability that half of the last block is left out of a clip in training.
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.

    References
    ----------
    Chen et al., "EAT: Self-supervised pre-training with Efficient Audio Transformer", IJCAI 2024. Huang et al., "Deep
    networks with stochastic depth", ECCV 2016.

    Examples
    --------
    >>> network = EatLora(rank=64, alpha=8)
    >>> sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    2556160
    """

    base: ViT
    poolings = ("cls", "mean", "statistics")
    least_samples = samples(PATCH)

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        targets: Sequence[str] = ("qkv",),
        rank: int = 64,
        alpha: float = 8,
        dim: int = 256,
        pooling: str = "cls",
        drop_path: float = 0.1,
        num_heads: int | None = None,
    ) -> None:
        base = _read(checkpoint, num_heads)
        super().__init__(
            base,
            width=base.tables["cls_token"].shape[2],
            targets=targets,
            rank=rank,
            alpha=alpha,
            dim=dim,
            pooling=pooling,
        )
        self._drop_path = between("drop_path", drop_path, 0, 1, low_included=True)

    def front_end(self, wave: Tensor) -> Tensor:
        """(batch, n_samples) -> normalized fbank with zeros after it (batch, a multiple of 32 frames, 128)."""
        mel = fbank(wave, window="hanning")
        filled = torch.nn.functional.pad(mel, (0, 0, 0, -mel.shape[1] % MULTIPLE))
        longest = self.base.tables["pos_embed"].shape[1] // BANDS * PATCH
        if filled.shape[1] > longest:
            raise DataError(
                f"a clip of {wave.shape[1]} samples has {mel.shape[1]} frames, the network positions for {longest}: "
                "write fewer seconds"
            )
        return (filled - MEAN) / (2.0 * STD)

    def first_tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, frames, 128) -> what enters the first block (batch, 1 + frames // 16 * 8, width)."""
        return first_tokens(self.base, spectrogram)[0]

    def hidden(self, x: Tensor) -> list[Tensor]:
        """Return what leaves each block, halves of which may be left out in training."""
        leaving = []
        last = max(len(self.base.blocks) - 1, 1)
        for k, block in enumerate(self.base.blocks):
            x = self._shallower(block, x, self._drop_path * k / last) if self._drops() else block(x)
            leaving.append(x)
        return leaving

    def patches(self, tokens: Tensor) -> Tensor:
        """Return all tokens but the class token."""
        return tokens[:, 1:]

    def golden_name(self, name: str) -> str:
        """Return the name of a parameter of the blocks as fairseq's checkpoints have it."""
        return name

    def _drops(self) -> bool:
        return self.training and self.generator is not None

    def _shallower(self, block: Any, x: Tensor, rate: float) -> Tensor:
        """Run a block that leaves either half out of a clip with the probability ``rate``."""
        x = block.norm1(x + self._kept(x, rate) * block.attn(x))
        out: Tensor = block.norm2(x + self._kept(x, rate) * block.mlp(x))
        return out

    def _kept(self, x: Tensor, rate: float) -> Tensor:
        """Draw the factor of each clip (batch, 1, 1): 0, or 1 / (1 - rate)."""
        drawn = torch.rand(len(x), generator=self.generator) >= rate
        return (drawn.to(x.dtype) / (1.0 - rate)).to(x.device)[:, None, None]


def _read(checkpoint: str | Path | None, num_heads: int | None) -> ViT:
    """Return the network of a checkpoint; without one, the official base network on the meta device."""
    if checkpoint is not None:
        content = checkpoints.read(checkpoint)
        return network(content, where=f"Checkpoint {checkpoint}, read as EAT,", num_heads=num_heads)
    with torch.device("meta"):
        norms: Mapping[str, torch.nn.Module] = {"pre_norm": torch.nn.LayerNorm(OFFICIAL.dim, 1e-6)}
        tables = {"cls_token": (1, 1, OFFICIAL.dim), "pos_embed": (1, POSITIONS, OFFICIAL.dim)}
        return ViT(OFFICIAL, tables=tables, norms=norms, post_norm=True)
