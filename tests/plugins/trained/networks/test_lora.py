"""BEATs and EAT with LoRA: the golden layers, what is trained, and what happens in training alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from asdcore import DataError
from asdcore_plugins.trained.networks.beats_lora import BeatsLora
from asdcore_plugins.trained.networks.by_name import build_network
from asdcore_plugins.trained.networks.fbank import batched_fbank, fbank
from asdcore_plugins.trained.networks.lora import LoraLinear, add_lora, merge_lora

GOLDEN = Path(__file__).parents[3] / "golden"
BEATS = GOLDEN / "encoders" / "beats" / "checkpoint_pretrained.pt"
EAT = GOLDEN / "encoders" / "eat" / "hf_pretrain"
CASES = ("beats_q_v", "beats_q_k", "eat_qkv")


def built(case):
    """The network of a golden case with its adapters, and what enters its first block."""
    folder = GOLDEN / "trained" / "4_lora" / case
    config = json.loads((folder / "config.json").read_text())
    parameters = {"targets": config["target_modules"], "rank": config["r"], "alpha": config["lora_alpha"], "dim": 8}
    if case == "eat_qkv":
        network = build_network("eat_lora", checkpoint=EAT, num_heads=4, **parameters)
        x = np.load(GOLDEN / "encoders" / "eat" / "expected_pretrain.npz")["layer_00_input"]
    else:
        network = build_network("beats_lora", checkpoint=BEATS, **parameters)
        x = np.load(GOLDEN / "encoders" / "beats" / "expected_pretrained.npz")["fbank"]
    first = torch.from_numpy(x) if case == "eat_qkv" else network.first_tokens(torch.from_numpy(x))
    return network.eval(), first.detach(), folder


def farthest(layers, expected):
    return [
        float(np.abs(layer.detach().numpy() - expected[f"layer_{k:02d}"]).max()) for k, layer in enumerate(layers, 1)
    ]


@pytest.mark.parametrize("case", CASES)
def test_every_layer_equals_the_reference(case):
    network, first, folder = built(case)
    expected, tolerance = np.load(folder / "expected.npz"), json.loads((folder / "tolerance.json").read_text())
    untrained = farthest(network.hidden(first), expected)
    network.load_golden(load_file(folder / "adapters.safetensors"))
    limits = [max(5 * limit, 1e-6) for limit in tolerance["f32_vs_f64_per_layer"]]
    assert all(np.array(farthest(network.hidden(first), expected)) <= limits)
    assert untrained[-1] == pytest.approx(tolerance["adapter_effect_last_layer_maxabs"], rel=1e-3)
    adapters = sum(weight.numel() for name, weight in network.named_parameters() if ".lora_" in name)
    assert adapters == tolerance["trainable_adapter_parameters"]


@pytest.mark.parametrize("case", CASES)
def test_merged_it_is_the_network_without_adapters(case):
    network, first, folder = built(case)
    network.load_golden(load_file(folder / "adapters.safetensors"))
    before = network.hidden(first)
    merge_lora(network.base)
    assert not any(isinstance(module, LoraLinear) for module in network.modules())
    limit = 5 * max(json.loads((folder / "tolerance.json").read_text())["merged_by_peft_vs_unmerged"])
    for layer, merged in zip(before, network.hidden(first), strict=True):
        assert (layer - merged).abs().max() <= limit


def test_names_may_be_those_of_pefts_own_state():
    network, _, folder = built("beats_q_v")
    adapters = load_file(folder / "adapters.safetensors")
    peft = {f"base_model.model.{name.replace('.weight', '.default.weight')}": value for name, value in adapters.items()}
    network.load_golden(peft)
    name = "encoder.layers.1.self_attn.v_proj.lora_B.weight"
    assert torch.equal(network.base.blocks[1].attn.v_proj.lora_B.weight.data, adapters[name])
    assert network.golden()[name] is network.base.blocks[1].attn.v_proj.lora_B.weight


@pytest.mark.parametrize(
    ("network", "parts"),
    [("beats_lora", "beats q_proj+v_proj"), ("beats_lora", "beats q_proj+k_proj"), ("eat_lora", "eat qkv")],
)
def test_full_size_counts(network, parts):
    expected = json.loads((GOLDEN / "trained" / "4_lora" / "full_size.json").read_text())[parts]
    full = build_network(network, targets=parts.split()[1].split("+"), rank=64, alpha=8)
    count = {"adapter": 0, "pooling": 0, "head": 0, "base": 0}
    for name, weight in full.named_parameters():
        count["adapter" if ".lora_" in name else name.split(".")[0]] += weight.numel()
    assert count["adapter"] == expected["adapter"]
    assert count["head"] == expected["head_linear_768_256"]
    assert count["pooling"] == expected.get("attn_stat_pool", 0)
    assert sum(weight.numel() for weight in full.parameters() if weight.requires_grad) == expected["sum_"]
    # The stored file keeps weight_g and weight_v of the positional convolution, and one shared bias.
    assert count["base"] == expected.get("base_parameters", count["base"])
    golden = full.golden()
    for name, shape in expected["key_shapes"].items():
        plain = name.removeprefix("base_model.model.").replace(".default", "")
        assert list(golden[plain].shape) == shape


def test_a_network_without_a_checkpoint_says_what_it_needs():
    with pytest.raises(DataError, match="checkpoint = 'PATH or ID'"):
        build_network("beats_lora")(torch.zeros(1, 16000))


@pytest.fixture
def waves():
    draw = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(3, 12000, generator=draw)


@pytest.fixture(params=["beats_lora", "eat_lora"])
def small(request):
    """Each network at the size of its golden checkpoint, drawn by a fixed seed."""
    torch.manual_seed(0)
    more = {"checkpoint": BEATS} if request.param == "beats_lora" else {"checkpoint": EAT, "num_heads": 4}
    return build_network(request.param, rank=2, alpha=1, dim=5, **more)


def test_only_adapters_pooling_and_head_are_trained_and_kept(small, waves):
    frozen = {name: weight.clone() for name, weight in small.state_dict().items() if name not in small.trained_state()}
    optimizer = torch.optim.AdamW([weight for weight in small.parameters() if weight.requires_grad], lr=1e-2)
    for _ in range(2):  # B is zero at first, so A moves from the second step on
        optimizer.zero_grad()
        small.train()(waves).square().sum().backward()
        optimizer.step()
    after = small.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in frozen.items())
    assert {name.split(".")[-2] for name in small.trained_state() if name.startswith("base.")} == {"lora_A", "lora_B"}
    assert all(weight.grad is not None for weight in small.parameters() if weight.requires_grad)


def test_the_trained_state_brings_a_fresh_network_to_the_same_bits(small, waves):
    with torch.no_grad():
        for weight in small.parameters():
            if weight.requires_grad:
                weight.add_(0.1)
    fresh = build_network(
        "beats_lora" if isinstance(small, BeatsLora) else "eat_lora",
        checkpoint=BEATS if isinstance(small, BeatsLora) else EAT,
        rank=2,
        alpha=1,
        dim=5,
        **({} if isinstance(small, BeatsLora) else {"num_heads": 4}),
    )
    fresh.load_trained_state({name: value.clone() for name, value in small.trained_state().items()})
    assert torch.equal(fresh.eval()(waves), small.eval()(waves))
    with pytest.raises(ValueError, match="of another network"):
        fresh.load_trained_state({"head.weight": torch.zeros(5, 48)})


def test_the_gate_of_beats_hears_the_adapted_query():
    network, first, folder = built("beats_q_v")
    attention = network.base.blocks[0].attn
    network.load_golden(load_file(folder / "adapters.safetensors"))
    heard = []
    attention.grep_linear.register_forward_hook(lambda _, given, __: heard.append(given[0]))
    network.hidden(first)
    query = attention.q_proj(first).unflatten(2, (attention.heads, -1)).transpose(1, 2)
    assert torch.equal(heard[0], query)
    assert not torch.allclose(
        heard[0], attention.q_proj.base(first).unflatten(2, (attention.heads, -1)).transpose(1, 2)
    )


def test_a_lower_block_of_beats_gets_less_of_the_gradient():
    gradients = {}
    for decay in (1.0, 0.5):
        torch.manual_seed(0)
        network = build_network("beats_lora", checkpoint=BEATS, rank=2, alpha=2, dim=4, gradient_decay=decay)
        network.hidden(torch.ones(1, 8, 48))[-1].sum().backward()
        gradients[decay] = [block.attn.v_proj.lora_B.weight.grad for block in network.base.blocks]
    for k, (whole, decayed) in enumerate(zip(gradients[1.0], gradients[0.5], strict=True)):
        assert torch.allclose(decayed, whole * 0.5 ** (2 - k), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("name", "always"), [("beats_lora", {"layer_drop": 1.0}), ("eat_lora", {"drop_path": 0.999999})]
)
def test_what_is_skipped_in_training_is_drawn_by_the_generator(name, always, waves):
    more = {"checkpoint": BEATS} if name == "beats_lora" else {"checkpoint": EAT, "num_heads": 4}
    network = build_network(name, rank=2, alpha=1, dim=4, **more, **always)
    first = network.first_tokens(network.front_end(waves)).detach()
    whole = network.eval().hidden(first)[-1]
    network.train()
    assert torch.equal(network.hidden(first)[-1], whole)  # no generator, nothing skipped
    network.generator = torch.Generator().manual_seed(1)
    skipped = network.hidden(first)[-1]
    assert not torch.equal(skipped, whole)
    if name == "beats_lora":
        assert torch.equal(skipped, first)
    network.generator.manual_seed(1)
    assert torch.equal(network.hidden(first)[-1], skipped)


def test_a_half_that_stays_counts_the_more(waves):
    network = build_network("eat_lora", checkpoint=EAT, num_heads=4, rank=2, alpha=1, drop_path=0.5)
    network.generator = torch.Generator().manual_seed(0)
    factors = {float(value) for _ in range(20) for value in network._kept(torch.ones(4, 1, 1), 0.5).flatten()}
    assert factors == {0.0, 2.0}


@pytest.mark.parametrize("window", ["povey", "hanning"])
def test_the_filter_bank_of_a_gpu_is_that_of_the_cpu(waves, window):
    both = [of(waves.double(), window=window) for of in (fbank, batched_fbank)]
    assert (both[0] - both[1]).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rank": 0}, "rank must be a whole number from 1"),
        ({"alpha": 0}, "alpha must be a number above 0"),
        ({"targets": ["query"]}, "targets must be some of .*k_proj, out_proj, .*q_proj, v_proj"),
        ({"pooling": "cls"}, "pooling must be one of statistics, mean"),
        ({"layer_drop": 2}, "layer_drop must be a number from 0 to 1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        build_network("beats_lora", checkpoint=BEATS, **parameters)


def test_weights_of_nothing_here_are_refused():
    network, _, folder = built("beats_q_v")
    with pytest.raises(ValueError, match="no weight is one of this network's"):
        network.load_golden(load_file(GOLDEN / "trained" / "4_lora" / "eat_qkv" / "adapters.safetensors"))
    some = dict(list(load_file(folder / "adapters.safetensors").items())[:2])
    with pytest.raises(ValueError, match="weights are missing"):
        network.load_golden(some)


def test_half_precision_stays_near(waves):
    torch.manual_seed(0)
    plain = build_network("beats_lora", checkpoint=BEATS, rank=2, alpha=1, dim=4).eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = plain(waves)
    assert 0 < (found - plain(waves)).abs().max() < 0.2


def test_adapters_are_added_once_and_by_the_last_part_of_a_name():
    network = nn.ModuleDict({"inner": nn.ModuleDict({"q": nn.Linear(4, 4)}), "eq": nn.Linear(4, 4)})
    assert add_lora(network, ["q"], rank=1, alpha=1) == ["inner.q"]
    with pytest.raises(ValueError, match="targets must be some of eq"):
        add_lora(network, ["base"], rank=1, alpha=1)
