"""What a portfolio costs: two counts that agree, each shared thing once, and nothing left unsaid."""

from __future__ import annotations

import doctest
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from asdcore import AsdcoreError, PluginError, PortfolioError, Tokens, hookimpl
from asdcore.cli.complexity import lines
from asdcore.components import build as building
from asdcore.contract.plugins import Plugins, offered
from asdcore.portfolio import parse_portfolio
from asdcore.preflight import briefly_trained, complexity
from asdcore.preflight.complexity import Complexity
from asdcore.preflight.multiply_accumulates import count_macs, count_parameters

NOISE = np.zeros((1, 160000), np.float32)


class Around:
    """An encoder around a module: ``call(module)`` is its forward pass."""

    sample_rate = 16000
    layers = (0,)

    def __init__(self, model, call):
        self.model, self._call = model, call

    def encode(self, audio, layers):
        with torch.inference_mode():
            self._call(self.model)
        return {layer: Tokens(np.zeros((1, 2, 1, 3), np.float32)) for layer in layers}


def count(model, *shape, device="cpu"):
    return count_macs(Around(model, lambda model: model(torch.zeros(*shape, device=device))), NOISE, [0])[0]


def test_ast_base_costs_130_5_g_by_both_counts():
    from transformers import ASTConfig, ASTModel

    with torch.device("meta"):
        model = ASTModel(ASTConfig())
    counted = count(model, 1, 1024, 128, device="meta")
    # 12 blocks of 1214 tokens x 768: 12 N D^2 + 2 N^2 D each, and 1212 patches of 16 x 16 numbers.
    exact = 12 * (12 * 1214 * 768**2 + 2 * 1214**2 * 768) + 1212 * 256 * 768
    assert exact == pytest.approx(130.5e9, rel=0.01)
    assert counted.torch == exact
    assert counted.thop == pytest.approx(exact, rel=0.01)
    assert counted.reasons == ()


class SelfAttention(nn.Module):
    """Self-attention in one of the ways in which it is written."""

    def __init__(self, how, dim=64, heads=4):
        super().__init__()
        self.how, self.heads = how, heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.how == "fused":
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        elif self.how == "einsum":
            mixed = torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v)
        else:
            mixed = (q @ k.transpose(2, 3)).softmax(-1) @ v
        mixed = self.out(mixed.transpose(1, 2).flatten(2))
        return (mixed, None) if self.how == "tuple" else mixed


@pytest.mark.parametrize("how", ["fused", "plain", "einsum", "tuple"])
def test_attention_counts_however_it_is_written(how):
    counted = count(SelfAttention(how), 1, 300, 64)
    assert counted.thop == counted.torch == 4 * 300 * 64**2 + 2 * 300**2 * 64


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_of_torch_counts(batch_first):
    model = nn.Sequential(nn.TransformerEncoderLayer(64, 4, 256, batch_first=batch_first).eval())
    counted = count(model, *((1, 300, 64) if batch_first else (300, 1, 64)))
    assert counted.torch == 12 * 300 * 64**2 + 2 * 300**2 * 64
    assert counted.thop == pytest.approx(counted.torch, rel=0.01)


RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""Gates of each, every one of them a product with the input and one with the state."""


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers_count_in_torch_though_they_run_as_one_step(kind, batched, batch_first):
    model = getattr(nn, kind)(32, 16, 2, batch_first=batch_first, bidirectional=True).eval()
    time_and_batch = ((1, 50) if batch_first else (50, 1)) if batched else (50,)
    counted = count(model, *time_and_batch, 32)
    assert counted.torch == 50 * 2 * RECURRENT[kind] * 16 * ((32 + 16) + (32 + 16))
    assert counted.thop == count(model, *((1, 50) if batch_first else (50, 1)), 32).thop
    assert counted.thop == pytest.approx(counted.torch, rel=0.2)  # thop adds biases and gates


@pytest.mark.parametrize("kind", RECURRENT)
def test_cells_count_with_and_without_a_batch(kind):
    model = getattr(nn, f"{kind}Cell")(32, 16).eval()
    assert count(model, 32) == count(model, 1, 32)
    assert count(model, 32).torch == RECURRENT[kind] * 16 * 48


@pytest.mark.parametrize(
    ("make", "shape", "macs"),
    [
        (lambda: nn.Conv1d(32, 16, 3, padding=1), (32, 50), 50 * 16 * 32 * 3),
        (lambda: nn.Conv1d(32, 32, 3, padding=1, groups=32), (32, 50), 50 * 32 * 3),
        (lambda: nn.Conv1d(32, 16, 3, stride=2, dilation=2), (32, 50), 23 * 16 * 32 * 3),
        (lambda: nn.Conv2d(4, 6, (3, 5)), (4, 20, 30), 18 * 26 * 6 * 4 * 15),
        (lambda: nn.Conv3d(2, 3, 3), (2, 9, 8, 7), 7 * 6 * 5 * 3 * 2 * 27),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Conv1d(32, 16, 3)), (32, 50), 48 * 16 * 32 * 3),
    ],
)
def test_a_convolution_without_a_batch_axis_counts_as_one_with_a_batch_of_one(make, shape, macs):
    model = make()
    without, with_one = count(model, *shape), count(model, 1, *shape)
    assert without == with_one
    assert (without.thop, without.torch) == (macs, macs)


@pytest.mark.parametrize(
    "model", [nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(5), nn.ConvTranspose1d(32, 4, 3, stride=2), nn.MaxPool1d(2)]
)
def test_what_else_takes_one_sample_counts_it_as_a_batch_of_one(model):
    layers = nn.Sequential(nn.Conv1d(32, 32, 1), model)
    assert count(layers, 32, 50) == count(layers, 1, 32, 50)


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_without_a_batch_counts_as_one_with_a_batch_of_one(batch_first):
    model = nn.MultiheadAttention(32, 4, batch_first=batch_first).eval()

    def counted(*shape):
        x = torch.zeros(shape)
        return count_macs(Around(model, lambda model: model(x, x, x)), NOISE, [0])[0]

    assert counted(50, 32) == counted(*((1, 50, 32) if batch_first else (50, 1, 32)))
    assert counted(50, 32).thop == counted(50, 32).torch == 4 * 50 * 32 * 32 + 2 * 50 * 50 * 32


@pytest.mark.parametrize(
    ("call", "macs"),
    [
        (lambda x: x @ x[0], 50 * 32),
        (lambda x: torch.addmv(x[:, 0], x, x[0]), 50 * 32),
        (lambda x: torch.dot(x[0], x[1]) + torch.vdot(x[0], x[1]), 2 * 32),
        (lambda x: torch.addbmm(torch.zeros(50, 50), x[None], x.T[None]), 50 * 50 * 32),
        (lambda x: torch.einsum("td,sd->ts", x, x), 50 * 50 * 32),
        (nn.Bilinear(32, 32, 5), 50 * 5 * 32 * 32),
    ],
)
def test_products_of_every_form_count_in_torch(call, macs):
    def run(model):
        x = torch.zeros(50, 32)
        return call(x, x) if isinstance(call, nn.Module) else call(x)

    assert count_macs(Around(call if isinstance(call, nn.Module) else Raw(), run), NOISE, [0])[0].torch == macs


@pytest.mark.parametrize("how", ["script", "trace", "freeze", "inside a module"])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_counts_by_torch_for_both_and_with_all_its_parameters(how, tmp_path):
    layers = nn.Sequential(nn.Conv1d(1, 8, 400, 160), nn.ReLU(), nn.Conv1d(8, 4, 1)).eval()
    x = torch.zeros(1, 1, 16000)
    script = torch.jit.trace(layers, x) if how == "trace" else torch.jit.script(layers)
    (torch.jit.freeze(script) if how == "freeze" else script).save(tmp_path / "a.pt")
    loaded = torch.jit.load(tmp_path / "a.pt")
    model = nn.Sequential(loaded, nn.ReLU()) if how == "inside a module" else loaded
    counted = count_macs(Around(model, lambda model: model(x)), NOISE, [0])[0]
    assert counted.thop == counted.torch == 98 * (8 * 400 + 8 * 4)
    assert counted.scripted
    assert count_parameters(model) == 8 * 400 + 8 + 8 * 4 + 4


def test_windows_attend_to_themselves_alone():
    counted = count(SelfAttention("plain"), 10, 30, 64)
    assert counted.thop == counted.torch == 300 * 4 * 64**2 + 10 * 2 * 30**2 * 64


def test_derived_and_parametrized_layers_count():
    class Derived(nn.Linear):
        pass

    model = nn.Sequential(Derived(8, 8), nn.utils.parametrizations.weight_norm(nn.Conv1d(100, 4, 3)))
    counted = count(model, 1, 100, 8)
    assert counted.thop == counted.torch == 100 * 8 * 8 + 6 * 4 * 100 * 3


def test_a_network_run_block_by_block_counts_what_ran():
    model = nn.ModuleList([nn.Linear(8, 8) for _ in range(5)])

    def forward(model):
        x = torch.zeros(1, 8)
        for block in model[:3]:
            x = block(x)

    counted = count_macs(Around(model, forward), NOISE, [0])[0]
    assert counted.thop == counted.torch == 3 * 64


def test_a_layer_that_runs_twice_counts_twice():
    model = nn.Linear(8, 8)
    counted = count_macs(Around(model, lambda model: model(model(torch.zeros(1, 8)))), NOISE, [0])[0]
    assert counted.thop == counted.torch == 2 * 64


def test_counting_leaves_the_encoder_as_it_was():
    model = SelfAttention("plain")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fast, one_dnn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    count(model, 1, 10, 64)
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(one.requires_grad for one in model.parameters())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert torch._C._get_mkldnn_enabled() == one_dnn


def test_what_only_thop_counts_is_named():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2)).eval()
    counted = count(model, 1, 1, 100, 64)
    assert counted.torch == 98 * 62 * 8 * 9
    # thop counts 4 for each number that is normalized, 1 for each mean.
    assert counted.thop - counted.torch == 98 * 62 * 8 * 4 + 49 * 31 * 8
    assert counted.reasons == (
        "thop counts 0.194 M in BatchNorm2d, torch matrix products and convolutions alone",
        "thop counts 0.0122 M in AvgPool2d, torch matrix products and convolutions alone",
    )


class Raw(nn.Module):
    """A product with a bare parameter, which no rule of thop sees."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(64, 32))

    def forward(self, x):
        return x @ self.weight


def test_what_only_torch_counts_is_named():
    counted = count(Raw(), 1000, 64)
    assert (counted.thop, counted.torch) == (0, 1000 * 64 * 32)
    assert counted.reasons == ("torch counts 2.05 M in modules without a thop rule, which thop cannot see",)
    outside = Around(nn.Linear(64, 64), lambda model: model(torch.zeros(1000, 64)) @ torch.zeros(64, 8))
    counted = count_macs(outside, NOISE, [0])[0]
    assert counted.torch - counted.thop == 1000 * 64 * 8
    assert counted.reasons == ("torch counts 0.512 M outside the encoder's model, which thop cannot see",)


def test_counts_that_agree_need_no_reasons():
    assert count(nn.Sequential(nn.Linear(500, 500), nn.LayerNorm(500)), 10, 500).reasons == ()


def test_a_difference_of_a_few_per_cent_is_explained():
    """thop adds the two norms of a transformer layer, 4 multiplications a number: 2.2 % here."""
    counted = count(nn.Sequential(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()), 1, 50, 32)
    assert counted.thop - counted.torch == 2 * 50 * 32 * 4
    assert counted.reasons == ("thop counts 0.0128 M in LayerNorm, torch matrix products and convolutions alone",)


def test_a_difference_made_of_many_small_ones_is_explained_by_the_largest():
    """Three types of layer, each worth less than a hundredth."""
    kinds = [type(name, (nn.LayerNorm,), {}) for name in ("First", "Second", "Third")]
    model = nn.Sequential(nn.Linear(500, 500), *(kind(500) for kind in kinds))
    counted = count(model, 10, 500)
    assert counted.thop - counted.torch == 3 * 10 * 500 * 4
    assert [reason.split(" in ")[1].split(",")[0] for reason in counted.reasons] == ["First", "Second", "Third"]


class Deep:
    """Three linear blocks over frames of 100 samples; what lies above the highest layer wanted does not run."""

    sample_rate = 8000
    layers = (1, 2, 3)
    built = 0

    def __init__(self, seed=0):
        Deep.built += 1
        torch.manual_seed(seed)
        self.model = nn.ModuleDict({str(k): nn.Linear(100, 100, bias=False) for k in self.layers})

    def encode(self, audio, layers):
        x = torch.from_numpy(audio[:, : audio.shape[1] // 100 * 100].reshape(1, -1, 100))
        found = {}
        for k in range(1, 1 + max(layers)):
            x = self.model[str(k)](x)
            found[k] = Tokens(x[:, :, None].detach())
        return {layer: found[layer] for layer in layers}


class Bare(Deep):
    """Shows no model."""

    def __init__(self):
        super().__init__()
        self._model = self.__dict__.pop("model")

    def encode(self, audio, layers):
        return {layer: Tokens(audio.reshape(1, -1, 10, 10)) for layer in layers}


class Wasteful(Deep):
    """Multiplies matrices that are none of its model's business."""

    def encode(self, audio, layers):
        assert not (torch.zeros(1000, 1000) @ torch.zeros(1000, 1000)).any()
        return super().encode(audio, layers)


class Unclonable(Deep):
    def __init__(self):
        super().__init__()
        self.stream = (one for one in ())


class Telling:
    """A scorer that tells what it costs."""

    def __init__(self, times=1):
        self._times = times

    def fit(self, features, domain):
        return self

    def score(self, features):
        return {"pooled": np.zeros(len(features))}

    def macs(self, n_train, dim):
        return self._times * n_train * dim


class Silent(Telling):
    macs = property()


class Theirs:
    @hookimpl
    def register_encoders(self, register):
        for encoder in (Deep, Bare, Wasteful, Unclonable):
            register(encoder.__name__.lower(), encoder)

    @hookimpl
    def register_scorers(self, register):
        register("telling", Telling)
        register("silent", Silent)


@pytest.fixture
def measure(monkeypatch):
    """A function that counts a portfolio of the branches given."""
    known = Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])
    for module in (building, complexity, briefly_trained):
        monkeypatch.setattr(module, "installed", lambda: known)
    monkeypatch.setattr("asdcore.portfolio.model.installed", lambda: known)
    Deep.built = 0

    def measured(branches, systems=None, **options) -> Complexity:
        full = {name: {"scorer": "telling", **branch} for name, branch in branches.items()}
        systems = systems or {"S": {"weights": {next(iter(branches)): 1}}}
        return complexity.complexity(parse_portfolio({"name": "p", "branches": full, "systems": systems}), **options)

    return measured


FRAME = 100 * 100
"""MACs of one block on one frame."""


def test_a_branch_costs_its_encoder_to_its_layer_and_its_scorer(measure):
    counted = measure({"a": {"encoder": {"name": "deep", "layer": 2}}})
    cost = counted.branches["a"]
    assert (cost.view, cost.encoder, cost.layer, cost.scorer) == ("near", "deep", 2, "telling")
    assert cost.parameters == 3 * FRAME
    assert cost.thop_macs == cost.torch_macs == 2 * 800 * FRAME
    assert (cost.features, cost.scorer_macs) == (100, 1000 * 100)
    assert counted.total.submitted == {"total_parameters": 3 * FRAME, "macs": 2 * 800 * FRAME + 1000 * 100}
    assert counted.notes == ()


def test_the_default_layer_is_the_last(measure):
    assert measure({"a": {"encoder": "deep"}}).branches["a"].layer == 3


def test_layers_side_by_side_cost_one_pass_to_the_highest_and_a_residual_one_for_each_view(measure):
    both = {"a": {"encoder": {"name": "deep", "layer": [1, 2]}, "residual": {"view": "far"}}}
    counted = measure({**both, "b": {"encoder": {"name": "deep", "layer": 3}, "view": "far"}})
    cost = counted.branches["a"]
    assert (cost.view, cost.layer, cost.features) == ("near and far", (1, 2), 200)
    assert cost.thop_macs == cost.torch_macs == 2 * 2 * 800 * FRAME
    assert counted.total.torch_macs == (2 + 3) * 800 * FRAME


def test_a_mirror_scores_a_clip_once_for_each_fold(measure):
    systems = {"A": {"weights": {"a": 1}}, "B": {"out_of_fold_mirror_of": "A"}}
    counted = measure({"a": {"encoder": "deep"}}, systems)
    assert counted.systems["B"].scorer_macs == 5 * counted.systems["A"].scorer_macs
    assert counted.systems["B"].torch_macs == counted.systems["A"].torch_macs


def test_seconds_and_train_clips_count(measure):
    cost = measure({"a": {"encoder": "deep"}}, seconds=2.5, train_clips=10).branches["a"]
    assert (cost.torch_macs, cost.scorer_macs) == (3 * 200 * FRAME, 10 * 100)


@pytest.mark.parametrize(("pooling", "features"), [("mean_std", 200), ("frames", 80000), ({"name": "rdp"}, 100)])
def test_the_pooling_decides_what_the_scorer_gets(measure, pooling, features):
    assert measure({"a": {"encoder": {"name": "deep", "pooling": pooling}}}).branches["a"].features == features


def test_what_branches_share_counts_once(measure):
    deep = {"encoder": {"name": "deep", "layer": 2}}
    counted = measure(
        {
            "a": deep,
            "calibrated_otherwise": {**deep, "normalizer": "ecdf"},
            "scored_otherwise": {**deep, "scorer": {"name": "telling", "times": 3}},
            "pooled_otherwise": {"encoder": {"name": "deep", "layer": 2, "pooling": "mean_std"}},
            "shallower": {"encoder": {"name": "deep", "layer": 1}},
            "other_view": {**deep, "view": "far"},
            "other_encoder": {"encoder": {"name": "deep", "layer": 1, "seed": 1}},
        }
    )
    assert counted.total.parameters == 2 * 3 * FRAME
    assert counted.total.thop_macs == counted.total.torch_macs == (2 + 2 + 1) * 800 * FRAME
    assert counted.total.scorer_macs == (1 + 3 + 2 + 1 + 1 + 1) * 1000 * 100
    assert Deep.built == 2


def test_a_system_costs_the_branches_it_computes(measure):
    branches = {name: {"encoder": {"name": "deep", "seed": i}} for i, name in enumerate("abc")}
    systems = {
        "one": {"weights": {"a": 1, "b": 0}},
        "guarded": {"weights": {"a": 1}, "guards": [{"name": "tail", "support": "c"}]},
        "all": {"weights": {"a": 1, "b": 1, "c": 1}},
    }
    counted = measure(branches, systems)
    assert [counted.systems[name].parameters for name in systems] == [3 * FRAME, 6 * FRAME, 9 * FRAME]
    assert counted.systems["all"] == counted.total


def test_what_is_not_counted_is_said(measure):
    counted = measure({"a": {"encoder": "bare", "scorer": "silent"}, "b": {"encoder": "bare", "scorer": "silent"}})
    cost = counted.branches["a"]
    assert (cost.parameters, cost.thop_macs, cost.torch_macs, cost.scorer_macs) == (0, 0, 0, None)
    assert counted.notes == (
        "encoder 'bare' shows no torch model: its parameters and MACs count as 0.",
        "scorer 'silent' does not count its MACs: they count as 0.",
    )


def test_why_counts_differ_reaches_the_notes(measure):
    (note,) = measure({"a": {"encoder": "wasteful"}}).notes
    assert note == (
        "encoder 'wasteful', layer 3: the counts differ by more than 1%: torch counts 1 G outside the encoder's model, "
        "which thop cannot see."
    )


@pytest.mark.parametrize(
    ("encoder", "options", "error", "said"),
    [
        ("deep", {"seconds": 0.0}, AsdcoreError, "Clip length must be positive, got 0.0 s"),
        ("deep", {"seconds": float("nan")}, AsdcoreError, "Clip length must be positive, got nan s"),
        ({"name": "deep", "layer": 4}, {}, PortfolioError, r"branches.a: .*no layer 4. Its layers are 1, 2, 3"),
        ("unclonable", {}, PluginError, r"branches.a: .*encoder 'unclonable' failed with TypeError: cannot pickle"),
        ("depe", {}, PluginError, r"No encoder is named 'depe'. Did you mean 'deep'"),
        ({"name": "deep", "pooling": "cls"}, {}, PortfolioError, r"branches.a: pooling 'cls' needs special tokens"),
    ],
)
def test_a_mistake_is_named(measure, encoder, options, error, said):
    with pytest.raises(error, match=said):
        measure({"a": {"encoder": encoder}}, **options)


class Watching:
    """Notes what a stage tells."""

    def __init__(self):
        self.told = []

    @contextmanager
    def stage(self, name, total):
        self.told.append((name, total))
        yield self.told.append


def test_progress_goes_branch_by_branch(measure):
    watching = Watching()
    measure({"a": {"encoder": "deep"}, "b": {"encoder": "deep"}}, progress=watching)
    assert watching.told == [("count", 2), 1, 1]


def test_a_shipped_portfolio_is_counted_by_name():
    counted = complexity.complexity("demo", seconds=1.0)
    assert set(counted.systems) == {"plain", "fused", "guarded"}
    assert any("'logmel' shows no torch model" in note for note in counted.notes)


def test_json_and_lines_say_the_same(measure):
    counted = measure({"a": {"encoder": "deep"}, "b": {"encoder": "bare"}})
    told = json.loads(json.dumps(counted.as_json()))
    assert told["branches"]["a"]["thop_macs"] == counted.branches["a"].thop_macs == 24_000_000
    assert told["systems"]["S"] == told["total"] | {"scorer_macs": 100_000}
    text = "\n".join(lines(counted))
    assert "One clip of 10 s, scored against 1000 train normals" in text
    assert text.count("24.00") == 2 + 2 + 2
    assert "note: encoder 'bare' shows no torch model" in text


def test_the_example_runs():
    assert doctest.testmod(complexity) == (0, 3)
