"""The network of BEATs: post-norm blocks with DeepNorm, whose attention knows how far apart two tokens are.

Chen et al., "BEATs: Audio pre-training with acoustic tokenizers", ICML 2023. Its parts come from WavLM (Chen et al.,
2022): a grouped convolution along the tokens, and a gated relative position bias (section III-B there) on the
logarithmic distance buckets of T5 (Raffel et al., 2020).

Importing this module imports torch: import it inside the function that builds the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from asdcore_plugins.nn.position_bias import QUERIES, PositionBias, attend
from asdcore_plugins.nn.vit import Block, PatchEmbed

EPS = 1e-5
"""Of every LayerNorm."""

MEAN, STD = 15.41663, 6.55582
"""By which fbanks are normalized, unless a ``cfg`` says ``fbank_mean`` and ``fbank_std``, as OpenBEATs' may."""


class GatedAttention(nn.Module):
    """Multi-head self-attention with a relative position bias that every query opens or closes for itself.

    The bias of a pair of tokens is ``relative_attention_bias`` of its distance's bucket, times the gate
    a (b grep_a - 1) + 2 of the query, where a and b are sigmoids of sums of four linear maps of the unscaled query.
    """

    def __init__(self, dim: int, heads: int, num_buckets: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.empty(1, heads, 1, 1))
        self.relative_attention_bias = nn.Embedding(num_buckets, heads)

    def forward(self, x: Tensor, position: PositionBias) -> Tensor:
        """(n_clips, tokens, dim) and the bias of every pair of tokens -> (n_clips, tokens, dim)."""
        q, k, v = (
            projected(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        a, b = self.grep_linear(q).unflatten(3, (2, 4)).sum(dim=4).sigmoid().chunk(2, dim=3)
        gate = a * (b * self.grep_a - 1.0) + 2.0
        mixed = attend(q, k, v, gate, position)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


def buckets(offset: Tensor, num_buckets: int, max_distance: int) -> Tensor:
    """Bucket of each offset, the place of a key less that of its query, as in T5: int64 of the same shape.

    The upper half of the buckets is for keys after the query. A quarter holds one distance each, the next quarter
    logarithmically more up to ``max_distance``, and the last of them all that lie beyond.
    """
    half = num_buckets // 2
    exact = half // 2
    distance = offset.abs()
    # In float32, as the authors compute it: at the edge of a bucket the rounding decides. The logarithm alone is taken
    # in float64 and rounded: torch's float32 logarithm rounds differently on other processors.
    logarithm = (distance.float() / exact).double().log().float()
    growth = logarithm / math.log(max_distance / exact) * (half - exact)
    far = (exact + growth.clamp(min=0.0).long()).clamp(max=half - 1)
    return torch.where(distance < exact, distance, far) + half * (offset > 0)


class Beats(nn.Module):
    """Patches to tokens, positional convolution, blocks; sizes are those of a checkpoint's ``cfg``."""

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        super().__init__()
        dim, width, depth = cfg["encoder_embed_dim"], cfg["embed_dim"], cfg["encoder_layers"]
        heads, patch, self.taps = cfg["encoder_attention_heads"], cfg["input_patch_size"], cfg["conv_pos"]
        self.max_distance = cfg["max_distance"]
        self.mean, self.std = float(cfg.get("fbank_mean", MEAN)), float(cfg.get("fbank_std", STD))
        self.patch_embed = PatchEmbed(width, (patch, patch), (patch, patch), bias=False)
        self.patch_norm = nn.LayerNorm(width, EPS)
        self.widen = nn.Linear(width, dim) if width != dim else nn.Identity()
        convolution = nn.Conv1d(dim, dim, self.taps, padding=self.taps // 2, groups=cfg["conv_pos_groups"])
        self.pos_conv = parametrizations.weight_norm(convolution, dim=2)
        self.norm = nn.LayerNorm(dim, EPS)
        self._hidden, alpha = int(cfg["encoder_ffn_embed_dim"]), (2.0 * depth) ** 0.25
        attentions = [GatedAttention(dim, heads, cfg["num_buckets"]) for _ in range(depth)]
        self.blocks = nn.ModuleList(
            Block(attention, dim, self._hidden, eps=EPS, post_norm=True, alpha=alpha) for attention in attentions
        )

    def normalized(self, fbank: Tensor) -> Tensor:
        """Return Kaldi's fbank of the waveform times 2 ** 15 as the network takes it: (x - mean) / (2 std)."""
        return (fbank - self.mean) / (2.0 * self.std)

    def tokens(self, spectrogram: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(n_clips, frames, bands) -> what enters the first block (n_clips, time * band, dim), and (time, band)."""
        grid = self.patch_embed(spectrogram)
        x = self.widen(self.patch_norm(grid.flatten(1, 2)))
        # An even number of taps gives one output too many: the last is dropped.
        convolved = self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
        return self.norm(x + functional.gelu(convolved)), (grid.shape[1], grid.shape[2])

    def attentions(self) -> list[GatedAttention]:
        """Return the attention of every block, in order."""
        return [module for module in self.modules() if isinstance(module, GatedAttention)]

    def numbers(self, frames: float, bands: int) -> float:
        """Return how many numbers of a spectrogram's tokens are in memory together at the most.

        Inside the MLP that is what its first map gives, before and after GELU, and some six times the token itself; in
        attention, the position bias of some queries, before and after the gate.
        """
        high, wide = self.patch_embed.proj.kernel_size
        dim, hidden = self.norm.normalized_shape[0], self._hidden
        return frames / high * (bands // wide) * (2 * hidden + 6 * dim + 4 * QUERIES)

    def position_bias(self, tokens: int) -> PositionBias:
        """Return the bias of every pair of so many tokens: all blocks share that of the first."""
        bias = self.attentions()[0].relative_attention_bias
        offsets = torch.arange(1 - tokens, tokens, device=bias.weight.device)
        return PositionBias(bias(buckets(offsets, bias.num_embeddings, self.max_distance)).T)
