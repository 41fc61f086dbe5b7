"""Attention with a bias of how far apart two tokens are, of which no more is in memory than a piece.

The bias of all pairs is as large as the square of the number of tokens, for each head: 0.43 GB of a minute in BEATs'
base model, and as much again once it is gated. On the CPU attention goes head by head and some queries at a time where
that is large, which gives the same bits: torch's kernel computes queries in blocks of its own, and pieces end where
such blocks do.

Importing this module imports torch: import it inside the function that builds the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

AT_ONCE = 1 << 26
"""Bytes of bias that are made at once on the CPU, unless fewer queries than ``QUERIES`` would be left."""

QUERIES = 768
"""From this number on torch's kernel computes 256 queries at a time, so pieces have that many or more."""


@dataclass(frozen=True)
class PositionBias:
    """The bias (heads, 2 tokens - 1) of every offset, the place of a key less that of its query, from the least on.

    Examples
    --------
    >>> PositionBias(torch.tensor([[-2, -1, 0, 1, 2]])).whole
    tensor([[[ 0,  1,  2],
             [-1,  0,  1],
             [-2, -1,  0]]])
    """

    of_offset: Tensor

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return (self.of_offset.shape[1] + 1) // 2

    @cached_property
    def whole(self) -> Tensor:
        """The bias of every pair, (heads, tokens, tokens)."""
        return self.pairs(slice(None), 0, self.tokens)

    def pairs(self, heads: slice, start: int, stop: int) -> Tensor:
        """Return the bias (heads, queries, tokens) of some heads and queries with every key."""
        n = self.tokens
        # Of windows of n offsets, the first is that of the last query.
        return self.of_offset[heads].unfold(1, n, 1)[:, n - stop : n - start].flip(1)


def attend(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, position: PositionBias) -> Tensor:
    """Attention with a gated bias, softmax(q k' / sqrt(dim) + gate * position) v: (n_clips, heads, tokens, dim) as q.

    gate : (n_clips, heads, tokens, 1).
    """
    size = len(q) * position.tokens * position.of_offset.element_size()
    if q.device.type != "cpu" or torch.is_grad_enabled() or q.shape[1] * position.tokens * size <= AT_ONCE:
        return scaled_dot_product_attention(q, k, v, attn_mask=(gate * position.whole).to(q.dtype))
    mixed = torch.empty_like(q)
    places = pieces(position.tokens, max(QUERIES, AT_ONCE // size // QUERIES * QUERIES))
    for head in range(q.shape[1]):
        of_head = slice(head, head + 1)
        for start, stop in places:
            part = (slice(None), of_head, slice(start, stop))
            bias = (gate[part] * position.pairs(of_head, start, stop)).to(q.dtype)
            mixed[part] = scaled_dot_product_attention(q[part], k[:, of_head], v[:, of_head], attn_mask=bias)
    return mixed


def pieces(n: int, most: int) -> list[tuple[int, int]]:
    """Return where pieces of ``n`` queries begin and end: ``most`` each, the last with what would be too few alone.

    Examples
    --------
    >>> pieces(2000, 768), pieces(500, 768)
    ([(0, 768), (768, 2000)], [(0, 500)])
    """
    starts = [0, *range(most, n - QUERIES + 1, most)]
    return list(zip(starts, [*starts[1:], n], strict=True))
