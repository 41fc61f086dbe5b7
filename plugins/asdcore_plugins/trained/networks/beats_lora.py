"""BEATs with LoRA: the frozen network of :mod:`asdcore_plugins.nn.beats`, trained through adapters.

ASDKit trains BEATs' own code in training mode, and two things in it act then: a block is skipped with the probability
``encoder_layerdrop`` of the checkpoint's ``cfg`` (0.05), and the gradient is multiplied by its
``layer_wise_gradient_decay_ratio`` (0.6) on its way into every lower block, so that the first of twelve gets 0.0036 of
it. Both are parameters here, with the values of the ``cfg`` by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asdcore_plugins.nn.beats import Beats
from asdcore_plugins.nn.beats_checkpoint import BANDS, HOP, NAMES, WINDOW, described, network, opened
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.stats.parameters import fraction
from asdcore_plugins.trained.networks.adapted import AdaptedTransformer
from asdcore_plugins.trained.networks.fbank import fbank

OFFICIAL = {
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "embed_dim": 512,
    "input_patch_size": 16,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "num_buckets": 320,
    "max_distance": 800,
    "encoder_layerdrop": 0.05,
    "layer_wise_gradient_decay_ratio": 0.6,
}
"""Sizes of the official checkpoints, for a network without one: it can be counted, not run."""


class BeatsLora(AdaptedTransformer):
    """BEATs with adapters beside its projections, a pooling of its tokens, and a linear map to the embedding.

    Parameters
    ----------
    checkpoint : str or Path, optional
        An official file, as for the encoder ``beats``. None: the official sizes without weights.
    targets : sequence of str
        The projections that get an adapter: "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2". ASDKit's code has
        query and value; its paper says query and key.
    rank, alpha : int, float
        Of the adapters; they count alpha / rank times. ASDKit leaves peft's alpha of 8, so 0.125 times.
    dim : int
        Values of the embedding.
    pooling : str
        "statistics" (attentive statistics pooling) or "mean".
    layer_drop : float, optional
        Probability that a block is skipped in training; None: what the checkpoint says.
    gradient_decay : float, optional
        By what the gradient is multiplied on its way into a lower block; None: what the checkpoint says.

    References
    ----------
    Chen et al., "BEATs: Audio pre-training with acoustic tokenizers", ICML 2023. Zheng et al., "Improving anomalous
    sound detection via low-rank adaptation fine-tuning of pre-trained audio models", SLT 2024.

    Examples
    --------
    >>> network = BeatsLora(rank=64, alpha=8)
    >>> sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    3889552
    """

    base: Beats
    poolings = ("statistics", "mean")

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        targets: Sequence[str] = ("q_proj", "v_proj"),
        rank: int = 64,
        alpha: float = 8,
        dim: int = 256,
        pooling: str = "statistics",
        layer_drop: float | None = None,
        gradient_decay: float | None = None,
    ) -> None:
        base, cfg = _read(checkpoint)
        width = cfg["encoder_embed_dim"]
        super().__init__(
            base,
            width=width,
            targets=targets,
            rank=rank,
            alpha=alpha,
            dim=dim,
            pooling=pooling,
        )
        dropped = cfg.get("encoder_layerdrop", 0.0) if layer_drop is None else layer_drop
        decay = cfg.get("layer_wise_gradient_decay_ratio", 1.0) if gradient_decay is None else gradient_decay
        self._layer_drop, self._decay = fraction("layer_drop", dropped), fraction("gradient_decay", decay)
        self.least_samples = WINDOW + (cfg["input_patch_size"] - 1) * HOP

    def front_end(self, wave: Tensor) -> Tensor:
        """(batch, n_samples) -> normalized fbank (batch, frames, 128), as the encoder ``beats`` has it."""
        return self.base.normalized(fbank(wave * 2.0**15, window="povey", n_mels=BANDS))

    def first_tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, frames, 128) -> what enters the first block (batch, frames // 16 * 8, width)."""
        return self.base.tokens(spectrogram)[0]

    def hidden(self, x: Tensor) -> list[Tensor]:
        """Return what leaves each block. One that is skipped in training gives what it was given."""
        position = self.base.position_bias(x.shape[1])
        leaving = []
        for block, runs in zip(self.base.blocks, self._running(), strict=True):
            x = _decayed(x, self._decay)
            x = block(x, position) if runs else x
            leaving.append(x)
        return leaving

    def golden_name(self, name: str) -> str:
        """Return the name of a parameter of the blocks as the checkpoint has it."""
        return checkpoints.translated(name, NAMES)

    def _running(self) -> Iterable[bool]:
        n_blocks = len(self.base.blocks)
        if not self.training or self.generator is None:
            return [True] * n_blocks
        running: list[bool] = (torch.rand(n_blocks, generator=self.generator) >= self._layer_drop).tolist()
        return running


def _decayed(x: Tensor, factor: float) -> Tensor:
    """Return x, whose gradient is multiplied by a factor on its way back."""
    if factor == 1.0 or not x.requires_grad:
        return x
    same = x.view_as(x)
    same.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    return same


def _read(checkpoint: str | Path | None) -> tuple[Beats, Mapping[str, Any]]:
    """Return the network of a checkpoint and its ``cfg``; without one, the official network on the meta device."""
    if checkpoint is None:
        with torch.device("meta"):
            model = Beats(OFFICIAL)
        for attention in model.attentions():
            attention.relative_attention_bias = model.attentions()[0].relative_attention_bias
        return model, OFFICIAL
    where = f"Checkpoint {checkpoint}, read as BEATs,"
    content = opened(checkpoint)
    return network(content, where=where), described(content, where)[0]
