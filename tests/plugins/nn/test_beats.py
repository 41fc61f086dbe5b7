"""The parts that BEATs has of its own, against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from asdcore_plugins.nn.beats import Beats, GatedAttention, buckets
from asdcore_plugins.nn.position_bias import PositionBias

CFG = {
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 3,
    "embed_dim": 16,
    "input_patch_size": 4,
    "conv_pos": 6,
    "conv_pos_groups": 4,
    "num_buckets": 32,
    "max_distance": 40,
}


def bucket(offset, num_buckets, max_distance):
    """T5's bucket of one distance, key minus query."""
    half = num_buckets // 2
    exact, distance = half // 2, abs(offset)
    if distance >= exact:
        steps = math.log(distance / exact) / math.log(max_distance / exact) * (half - exact)
        distance = min(exact + int(steps), half - 1)
    return distance + (half if offset > 0 else 0)


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(320, 800), (32, 128), (20, 50)])
def test_buckets_are_exact_near_by_and_logarithmic_far_off(num_buckets, max_distance):
    found = buckets(torch.arange(200)[None] - torch.arange(200)[:, None], num_buckets, max_distance)
    assert found.dtype == torch.int64
    expected = [[bucket(key - query, num_buckets, max_distance) for key in range(200)] for query in range(200)]
    assert np.array_equal(found.numpy(), expected)
    assert found.max() < num_buckets
    assert found.min() >= 0


def test_distances_beyond_the_largest_share_a_bucket():
    assert set(buckets(torch.arange(64, 300), 32, 64).tolist()) == {31}
    assert set(buckets(-torch.arange(64, 300), 32, 64).tolist()) == {15}


def test_every_query_gates_the_position_bias_for_itself(random_state):
    module = GatedAttention(12, 3, 32)
    module.load_state_dict(random_state(module))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 7, 12)).astype(np.float32))
    bias = PositionBias(torch.from_numpy(np.random.default_rng(1).standard_normal((3, 13)).astype(np.float32)))
    position = torch.stack([bias.of_offset[:, 6 - query : 13 - query] for query in range(7)], dim=1)
    with torch.inference_mode():
        found = module(x, bias)
        expected = torch.empty(2, 7, 12)
        for clip in range(2):
            q, k, v = (one(x[clip]).view(7, 3, 4) for one in (module.q_proj, module.k_proj, module.v_proj))
            for head in range(3):
                a, b = (module.grep_linear(q[:, head]).view(7, 2, 4).sum(2).sigmoid()).unbind(1)
                gate = a * (b * module.grep_a[0, head, 0, 0] - 1) + 2
                scores = q[:, head] @ k[:, head].T / 2.0 + gate[:, None] * position[head]
                expected[clip, :, 4 * head : 4 * head + 4] = scores.softmax(1) @ v[:, head]
        expected = module.out_proj(expected)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("taps", [6, 5])
def test_the_positional_convolution_is_centred_grouped_and_normalized_at_every_tap(random_state, taps):
    model = Beats(CFG | {"conv_pos": taps})
    model.load_state_dict(random_state(model))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 12, 8)).astype(np.float32))
    with torch.inference_mode():
        found, grid = model.tokens(x)
        patches = model.patch_embed(x).flatten(1, 2)
        before = model.widen(model.patch_norm(patches))[0].numpy()
        g = model.pos_conv.parametrizations.weight.original0.numpy()
        v = model.pos_conv.parametrizations.weight.original1.numpy()
        kernel = g * v / np.sqrt(np.square(v).sum((0, 1), keepdims=True))
        padded = np.pad(before, ((taps // 2, taps), (0, 0)))
        moved = np.empty_like(before)
        for token in range(6):
            for out in range(24):
                group = slice(out // 6 * 6, out // 6 * 6 + 6)
                moved[token, out] = (padded[token : token + taps, group] * kernel[out].T).sum()
        moved = torch.from_numpy(moved + model.pos_conv.bias.numpy())
        expected = model.norm(torch.from_numpy(before) + torch.nn.functional.gelu(moved))
    assert grid == (3, 2)
    assert torch.allclose(found[0], expected, atol=1e-5)


def test_blocks_weigh_their_residual_by_the_depth_of_the_whole_model():
    assert [block.alpha for block in Beats(CFG).blocks] == [4**0.25] * 2


def test_there_is_no_projection_between_equal_widths():
    names = Beats(CFG | {"embed_dim": 24}).state_dict()
    assert not any(name.startswith("widen") for name in names)


def test_all_blocks_get_the_bias_of_the_first(random_state):
    model = Beats(CFG)
    model.load_state_dict(random_state(model))
    bias = model.position_bias(5).whole
    assert bias.shape == (3, 5, 5)
    first = model.attentions()[0].relative_attention_bias.weight
    assert torch.equal(bias[:, 1, 3], first[buckets(torch.tensor(2), 32, 40)])
    assert torch.equal(bias[:, 4, 1], first[buckets(torch.tensor(-3), 32, 40)])
