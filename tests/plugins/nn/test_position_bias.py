"""A bias of distances is never made of more pairs than fit, and attention is the same for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch.nn.functional import scaled_dot_product_attention

from asdcore_plugins.nn import position_bias
from asdcore_plugins.nn.position_bias import PositionBias, attend, pieces


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


@given(n=some.integers(1, 20_000), most=some.integers(1, 8).map(lambda times: times * position_bias.QUERIES))
def test_pieces_are_all_queries_once_and_none_too_few_for_the_kernel(n, most):
    found = pieces(n, most)
    assert [start for start, _ in found] == [0, *(stop for _, stop in found[:-1])]
    assert found[-1][1] == n
    assert all(start % position_bias.QUERIES == 0 for start, _ in found)
    assert len(found) == 1 or min(stop - start for start, stop in found) >= position_bias.QUERIES
    assert max(stop - start for start, stop in found) < most + position_bias.QUERIES


@pytest.mark.parametrize("n", [5, 800, 2000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_in_pieces_is_that_of_all_pairs_and_makes_no_more_of_them(n, dtype, monkeypatch):
    q, k, v = (normal(1, 2, n, 4, seed=seed).to(dtype) for seed in range(3))
    gate, bias = normal(1, 2, n, 1, seed=3).to(dtype), PositionBias(normal(2, 2 * n - 1, seed=4).to(dtype))
    places = torch.arange(n)
    pairs = bias.of_offset[:, places[None] - places[:, None] + n - 1]
    assert torch.equal(bias.whole, pairs)
    whole = scaled_dot_product_attention(q, k, v, attn_mask=gate * pairs)
    made = []
    of_some = PositionBias.pairs
    monkeypatch.setattr(PositionBias, "pairs", lambda self, *part: made.append(of_some(self, *part)) or made[-1])
    monkeypatch.setattr(position_bias, "AT_ONCE", 1)
    with torch.inference_mode():
        found = attend(q, k, v, gate, PositionBias(bias.of_offset))
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-6)
    assert len(made) == 2 * len(pieces(n, position_bias.QUERIES))
    assert max(part.numel() for part in made) < 2 * position_bias.QUERIES * n
    assert sum(part.numel() for part in made) == pairs.numel()


def test_what_is_trained_and_what_is_small_goes_at_once():
    q, k, v = (normal(2, 3, 9, 4, seed=seed) for seed in range(3))
    bias = PositionBias(normal(3, 17, seed=4))
    gate = normal(2, 3, 9, 1, seed=5).requires_grad_()
    attend(q, k, v, gate, bias).sum().backward()
    assert gate.grad is not None
    assert "whole" in bias.__dict__
