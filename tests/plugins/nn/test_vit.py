"""The shared transformer, against its formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from asdcore import DataError
from asdcore_plugins.nn.vit import (
    Attention,
    Block,
    Mlp,
    PatchEmbed,
    Size,
    ViT,
    hidden_states,
    prepended,
    size_of,
    split,
)


def filled(module, state):
    module.load_state_dict(state(module))
    return module.eval()


def tokens(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def linear(module, x):
    return x @ module.weight.detach().double().numpy().T + module.bias.detach().double().numpy()


def layer_norm(module, x):
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + module.eps)
    return scaled * module.weight.detach().double().numpy() + module.bias.detach().double().numpy()


def attention(module, x):
    q, k, v = np.split(linear(module.qkv, x), 3, axis=-1)
    out = np.empty_like(q)
    width = q.shape[-1] // module.heads
    for head in range(module.heads):
        one = slice(head * width, (head + 1) * width)
        for clip in range(len(x)):
            scores = np.exp(q[clip, :, one] @ k[clip, :, one].T / math.sqrt(width))
            out[clip, :, one] = scores / scores.sum(1, keepdims=True) @ v[clip, :, one]
    return linear(module.proj, out)


def mlp(module, x):
    hidden = linear(module.fc1, x)
    return linear(module.fc2, hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))))


def test_attention_is_a_softmax_of_scaled_products_in_every_head(random_state):
    module, x = filled(Attention(12, 3), random_state), tokens(2, 5, 12)
    with torch.inference_mode():
        assert np.allclose(module(x).numpy(), attention(module, x.double().numpy()), atol=1e-5)


def test_mlp_has_an_exact_gelu(random_state):
    module, x = filled(Mlp(8, 16), random_state), tokens(2, 5, 8)
    with torch.inference_mode():
        assert np.allclose(module(x).numpy(), mlp(module, x.double().numpy()), atol=2e-6)


@pytest.mark.parametrize(("post_norm", "alpha"), [(False, 1.0), (True, 1.0), (True, 2.2)])
def test_a_block_normalizes_before_or_after_it_adds(random_state, post_norm, alpha):
    block = filled(Block(Attention(12, 3), 12, 24, eps=1e-3, post_norm=post_norm, alpha=alpha), random_state)
    x = tokens(2, 5, 12)
    with torch.inference_mode():
        found = block(x).numpy()
    y = x.double().numpy()
    if post_norm:
        y = layer_norm(block.norm1, alpha * y + attention(block.attn, y))
        y = layer_norm(block.norm2, alpha * y + mlp(block.mlp, y))
    else:
        y = y + attention(block.attn, layer_norm(block.norm1, y))
        y = y + mlp(block.mlp, layer_norm(block.norm2, y))
    assert np.allclose(found, y, atol=1e-5)


def test_patches_are_mapped_where_they_lie(random_state):
    embed, image = filled(PatchEmbed(4, (3, 2), (2, 2)), random_state), tokens(2, 8, 7)
    with torch.inference_mode():
        grid = embed(image).numpy()
    assert grid.shape == (2, 3, 3, 4)
    kernel, bias = embed.proj.weight.detach().numpy(), embed.proj.bias.detach().numpy()
    for row in range(3):
        for column in range(3):
            patch = image[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 2].numpy()
            expected = np.einsum("chw,dhw->cd", patch, kernel[:, 0]) + bias
            assert np.allclose(grid[:, row, column], expected, atol=1e-5)


class Add(nn.Module):
    def __init__(self, number, ran):
        super().__init__()
        self.number, self.ran = number, ran

    def forward(self, x, *position):
        self.ran.append(self.number)
        return x + self.number + sum(position)


def test_hidden_states_are_those_between_the_blocks_and_no_block_too_many_runs():
    ran = []
    blocks = nn.ModuleList(Add(number, ran) for number in (1, 10, 100))
    found = hidden_states(torch.zeros(1), blocks, [2, 0])
    assert {layer: float(x) for layer, x in found.items()} == {2: 11.0, 0: 0.0}
    assert ran == [1, 10]
    ran.clear()
    assert {layer: float(x) for layer, x in hidden_states(torch.zeros(1), blocks, ["final", 1]).items()} == {
        "final": 111.0,
        1: 1.0,
    }
    assert hidden_states(torch.zeros(1), blocks, [0]) == {0: torch.zeros(1)}
    assert ran == [1, 10, 100]
    assert float(hidden_states(torch.zeros(1), blocks, [3], torch.tensor(1000.0))[3]) == 3111.0


def test_special_tokens_are_put_before_the_patches_and_split_off_again():
    grid = tokens(3, 2, 4, 5)
    x = prepended(tokens(1, 2, 5, seed=1), grid.flatten(1, 2))
    assert x.shape == (3, 10, 5)
    patches, special = split(x, 2, (2, 4))
    assert torch.equal(patches, grid)
    assert torch.equal(special, tokens(1, 2, 5, seed=1).expand(3, -1, -1))
    patches, special = split(grid.flatten(1, 2), 0, (2, 4))
    assert torch.equal(patches, grid)
    assert special is None


STATE = {
    "patch_embed.proj.weight": torch.empty(768, 1, 16, 4),
    **{f"blocks.{k}.mlp.fc1.weight": torch.empty(1536, 768) for k in range(3)},
}


def sized(num_heads=None, **changes):
    return size_of(STATE | changes, where="a.pt", num_heads=num_heads, official={768: 12, 1024: 16})


def test_a_size_is_read_from_shapes():
    assert sized() == Size(dim=768, depth=3, heads=12, hidden=1536, patch=(16, 4))
    assert sized(num_heads=6).heads == 6


def test_heads_that_nobody_knows_or_that_do_not_divide_are_refused():
    small = {"patch_embed.proj.weight": torch.empty(32, 1, 16, 16)}
    with pytest.raises(ValueError, match="num_heads is needed for tokens of 32 .* 12 for 768, 16 for 1024"):
        sized(**small)
    for heads in (5, 0, -1):
        with pytest.raises(ValueError, match=f"num_heads is {heads}, which does not divide the 768"):
            sized(num_heads=heads)


def test_another_checkpoint_is_refused():
    with pytest.raises(DataError, match=r"a\.pt: patch_embed\.proj\.weight has the shape \(4, 4\), where 4 axes"):
        sized(**{"patch_embed.proj.weight": torch.empty(4, 4)})


def test_a_network_has_the_tables_and_norms_it_is_given():
    with torch.device("meta"):
        model = ViT(sized(), tables={"pos_embed": (1, 9, 768)}, norms={"norm": nn.LayerNorm(768)}, stride=(10, 10))
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["tables.pos_embed"] == (1, 9, 768)
    assert shapes["norms.norm.weight"] == (768,)
    assert shapes["blocks.2.attn.qkv.weight"] == (2304, 768)
    assert model.patch_embed.proj.stride == (10, 10)
