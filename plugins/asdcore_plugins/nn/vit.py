"""The Vision Transformer (Dosovitskiy et al., ICLR 2021) as audio encoders use it: one reading of a spectrogram.

Names of parameters are those of timm, which most official checkpoints have: ``patch_embed.proj``,
``blocks.N.norm1``, ``blocks.N.attn.qkv``, ... What differs between encoders is given by them: the position tables and
class-like tokens, which norms there are, and whether a block normalizes before or after it adds.

This module imports torch. Import it inside the function that builds a model, never at the top of a plugin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from asdcore_plugins.nn.checkpoints.weights import depth, shape

PLAIN_NAMES = ((r"^(tables|norms)\.", ""),)
"""How the names of :class:`ViT` become those of most checkpoints."""


@dataclass(frozen=True)
class Size:
    """How large a transformer is: width of a token, blocks, attention heads, width inside the MLP, patch (h, w)."""

    dim: int
    depth: int
    heads: int
    hidden: int
    patch: tuple[int, int]


def size_of(
    state: Mapping[str, Any],
    *,
    where: str,
    num_heads: int | None,
    official: Mapping[int, int],
    patch_embed: str = "patch_embed.proj.weight",
    blocks: str = "blocks.",
    mlp: str = "mlp.fc1.weight",
) -> Size:
    """Read a transformer's size from the shapes in its checkpoint, which tell all but the number of heads.

    num_heads : None takes what the official model of that width has, of ``official`` {dim: heads}.
    """
    dim, _, *patch = shape(state, patch_embed, 4, where=where)
    hidden, _ = shape(state, f"{blocks}0.{mlp}", 2, where=where)
    heads = official.get(dim) if num_heads is None else num_heads
    if heads is None:
        sizes = ", ".join(f"{heads} for {width}" for width, heads in official.items())
        raise ValueError(f"num_heads is needed for tokens of {dim} numbers: official models have {sizes}")
    if heads < 1 or dim % heads:
        raise ValueError(f"num_heads is {heads}, which does not divide the {dim} numbers of a token")
    return Size(dim, depth(state, blocks), heads, hidden, (patch[0], patch[1]))


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017, eq. 1) with queries, keys and values from one projection."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, tokens, dim) -> the same shape."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        mixed: Tensor = self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return mixed


class Mlp(nn.Module):
    """Two linear maps with an exact (erf) GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n_clips, tokens, dim) -> the same shape."""
        mapped: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return mapped


class Block(nn.Module):
    """A transformer block around ``attention``.

    post_norm : False for x + f(norm(x)), True for norm(alpha x + f(x)). alpha : DeepNorm's residual weight (Wang et
    al., 2022), 1 in all but BEATs.
    """

    def __init__(
        self, attention: nn.Module, dim: int, hidden: int, *, eps: float, post_norm: bool = False, alpha: float = 1.0
    ) -> None:
        super().__init__()
        self.post_norm, self.alpha = post_norm, alpha
        self.norm1 = nn.LayerNorm(dim, eps)
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim, eps)
        self.mlp = Mlp(dim, hidden)

    def forward(self, x: Tensor, *position: Any) -> Tensor:
        """(n_clips, tokens, dim) -> the same shape; ``position`` goes to the attention."""
        if self.post_norm:
            x = self.norm1(self.alpha * x + self.attn(x, *position))
            x = self.norm2(self.alpha * x + self.mlp(x))
        else:
            x = x + self.attn(self.norm1(x), *position)
            x = x + self.mlp(self.norm2(x))
        return x


class PatchEmbed(nn.Module):
    """Patches of a spectrogram, each mapped linearly to a token."""

    def __init__(self, dim: int, patch: tuple[int, int], stride: tuple[int, int], bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, patch, stride, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        """(n_clips, height, width) -> (n_clips, rows, columns, dim); what fills no patch is left out."""
        patches: Tensor = self.proj(image[:, None]).permute(0, 2, 3, 1)
        return patches


class ViT(nn.Module):
    """Patches, blocks, and what an encoder has besides: ``tables`` {name: shape} of numbers, and ``norms``.

    Build it on the meta device and fill it with :func:`asdcore_plugins.nn.checkpoints.weights.fit`.
    """

    def __init__(
        self,
        size: Size,
        *,
        tables: Mapping[str, tuple[int, ...]],
        norms: Mapping[str, nn.Module],
        stride: tuple[int, int] | None = None,
        post_norm: bool = False,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(size.dim, size.patch, stride or size.patch)
        self.tables = nn.ParameterDict({name: torch.empty(shape) for name, shape in tables.items()})
        self.blocks = nn.ModuleList(
            Block(Attention(size.dim, size.heads), size.dim, size.hidden, eps=1e-6, post_norm=post_norm)
            for _ in range(size.depth)
        )
        self.norms = nn.ModuleDict(norms)


def prepended(special: Tensor, patches: Tensor) -> Tensor:
    """(1, k, dim) and (n_clips, tokens, dim) -> (n_clips, k + tokens, dim)."""
    return torch.cat([special.expand(len(patches), -1, -1), patches], dim=1)


def hidden_states(
    x: Tensor, blocks: nn.ModuleList, layers: Iterable[int | str], *position: Any
) -> dict[int | str, Tensor]:
    """What enters the first block (layer 0) or leaves block k (layer k); what leaves the last, for a layer with a name.

    No block above the highest layer is run, and nothing that was not asked for is kept.
    """
    wanted = set(layers)
    highest = max(len(blocks) if isinstance(layer, str) else layer for layer in wanted)
    hidden: dict[int | str, Tensor] = {0: x} if 0 in wanted else {}
    for k in range(1, highest + 1):
        x = blocks[k - 1](x, *position)
        if k in wanted:
            hidden[k] = x
    return {layer: x if isinstance(layer, str) else hidden[layer] for layer in wanted}


def split(tokens: Tensor, special: int, grid: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """(n_clips, special + rows * columns, dim) -> patches (n_clips, rows, columns, dim), special tokens or None."""
    patches = tokens[:, special:].reshape(len(tokens), *grid, tokens.shape[2])
    return patches, tokens[:, :special] if special else None
