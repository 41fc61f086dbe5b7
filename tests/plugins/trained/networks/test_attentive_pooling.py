"""Attentive statistics pooling against the reference, and for a single token."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from asdcore_plugins.trained.networks.attentive_pooling import AttentivePooling

GOLDEN = Path(__file__).parents[3] / "golden" / "trained"
CASE = GOLDEN / "3_augment" / "attn_stat_pool"


@pytest.fixture
def pooling():
    config = json.loads((CASE / "config.json").read_text())
    return AttentivePooling(config["D"], config["hidden"]).load_golden(load_file(CASE / "weights.safetensors"))


def test_the_default_attention_is_a_sixteenth_and_full_size_is_counted():
    sizes = json.loads((GOLDEN / "4_lora" / "full_size.json").read_text())["attn_stat_pool"]
    state = AttentivePooling(768).state_dict()
    assert {name: list(value.shape) for name, value in state.items()} == sizes


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_outputs_gradients_and_statistics_equal_the_reference(pooling, mode):
    given, expected = np.load(CASE / "input.npz"), np.load(CASE / "expected.npz")
    tolerance = json.loads((CASE / "tolerance.json").read_text())
    pooling.train(mode == "train")
    x = torch.from_numpy(given["x"]).requires_grad_()
    weights = pooling.weights(x)
    statistics = pooling.statistics(x, weights)
    out = pooling.last_layer(statistics)
    (out * torch.from_numpy(given["G"])).sum().backward()
    found = {"attention_weights": weights, "mean_and_std": statistics, "output": out, "grad_x": x.grad}
    found |= {f"grad/{name}": weight.grad for name, weight in pooling.named_parameters()}
    found |= {f"after/{name}": value for name, value in pooling.named_buffers()} if mode == "train" else {}
    names = [name for name in expected if name.startswith(f"{mode}/")]
    assert len(names) == (13 if mode == "train" else 7)
    for name in names:
        value = found[name.partition("/")[2]].detach().numpy()
        limit = 5 * tolerance[name]["f32_vs_f64_maxabs"] + 1e-6 + 1e-5 * tolerance[name]["std"]
        assert np.abs(value - expected[name]).max() <= limit, name


def test_one_token_is_its_own_mean(pooling):
    token = torch.randn(3, 1, 48, generator=torch.Generator().manual_seed(0))
    weights = pooling.eval().weights(token)
    assert torch.equal(weights, torch.ones(3, 48, 1))
    statistics = pooling.statistics(token, weights)
    assert torch.equal(statistics[:, :48], token[:, 0])
    assert torch.allclose(statistics[:, 48:], torch.tensor(1e-2))
    assert pooling(token).isfinite().all()


def test_sizes_without_an_attention_are_refused():
    with pytest.raises(ValueError, match="hidden must be a whole number from 1"):
        AttentivePooling(15)
