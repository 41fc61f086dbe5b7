"""Every block of the multi-branch CNN, its gradients and running statistics are those of the reference values."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.utils.flop_counter import FlopCounterMode

from asdcore_plugins.trained.networks.by_name import build_network


def built(config, **parameters):
    return build_network(
        "multi_branch",
        n_samples=config["sec"] * config["sr"],
        fft=config["use_fft"],
        stft=config["n_fft"],
        width=config["emb_base_size"],
        fft_gates=config["fft_se"],
        stft_gates=config["stft_se"],
        **parameters,
    )


@pytest.fixture
def load(golden, checked, noise):
    """A function: name of a case -> the case, its network with the golden weights, its waves."""

    def loaded(name):
        case = golden("1_cnn", name)
        if (case.folder / "weights.safetensors").exists():
            weights = load_file(case.folder / "weights.safetensors")
        else:
            weights = dict(np.load(case.folder / "buffers.npz")) | formulas(case, checked, noise)
        network = built(case.config).load_golden(weights)
        wave = np.load(case.folder.parent / "input_wave.npz")["wave_int16"][: case.config["batch"]]
        return case, network, torch.from_numpy(wave.astype(np.float32) / 32768)

    return loaded


def formulas(case, checked, noise):
    described = json.loads((case.folder / "weights.json").read_text())
    gain = float(re.search(r"default_gain=([0-9.]+)", described["formula"])[1])
    values = {}
    for name, what in described["tensors"].items():
        shape = what["shape"]
        drawn = noise(name, int(np.prod(shape)), described["seed"]).reshape(shape)
        values[name] = checked(drawn * gain * np.sqrt(3.0 / np.prod(shape[1:])), what["crc32"])
    return values


def figures(case, key, kind):
    """What float32 costs the reference, and the most that it or a second thread does."""
    entry = case.tolerance[key]
    values = [value for name, value in entry.items() if name.endswith(kind) and value == value]
    return entry.get(f"f32_vs_f64_{kind}", 0.0), max(values, default=0.0)


def run(network, case, wave):
    """The values after every block, and the loss, after a backward pass."""
    kept: dict[str, torch.Tensor] = {}
    z = network(wave, keep=lambda block, values: kept.update({block: values.detach().clone()}))
    loss = (z * torch.from_numpy(case.input["G"]).to(z.dtype)).sum() / len(z)
    loss.backward()
    return kept, float(loss.detach())


@pytest.mark.parametrize("name", ["small_1024", "full_1024"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_in_float64_all_is_as_near_as_float32_lets_the_reference_be(load, name, mode):
    case, network, wave = load(name)
    kept, loss = run(network.double().train(mode == "train"), case, wave.double())
    assert len(kept) == 29
    for block in kept:
        key = f"{mode}/{block}"
        if key in case.expected:
            expected, got = case.expected.picked(key, kept[block])
            own, _ = figures(case, key, "maxabs")
            assert np.abs(expected - got).max() <= 1.1 * own + 1e-6 * np.abs(expected).max(), key
    assert loss == pytest.approx(case.tolerance[f"{mode}/loss"]["f64"], abs=1e-9)
    for weight, values in network.golden().items():
        key = f"{mode}/grad/{weight}"
        if key in case.expected:
            expected, got = case.expected.picked(key, values.grad)
            own, _ = figures(case, key, "rel_l2")
            assert np.linalg.norm(expected - got) <= (1.1 * own + 1e-6) * np.linalg.norm(expected), key
        elif mode == "train" and weight.endswith(("mean", "var")):
            expected, got = case.expected.picked(f"train/after/{weight}", values)
            assert np.abs(expected - got).max() <= 1e-5 * max(np.abs(expected).max(), 1.0), weight


@pytest.mark.parametrize("name", ["small_1024", "full_1024"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_float32_is_within_the_tolerance_of_every_block(load, name, mode):
    case, network, wave = load(name)
    kept, _ = run(network.train(mode == "train"), case, wave)
    for block in kept:
        key = f"{mode}/{block}"
        if key in case.expected:
            expected, got = case.expected.picked(key, kept[block])
            _, most = figures(case, key, "maxabs")
            assert np.abs(expected - got).max() <= max(5.0 * most, 1e-6), key


@pytest.mark.parametrize(("seconds", "stft"), [(6, [1024]), (18, [1024]), (6, [256, 1024, 4096])])
def test_parameters_names_and_multiply_accumulates_at_full_size(shared, stft, seconds):
    listed = json.loads(shared("golden", "trained", "1_cnn", "keys_full_size.json").read_text())
    right = listed[f"{'_'.join(map(str, stft))}@{seconds}"]
    network = build_network("multi_branch", n_samples=16000 * seconds, stft=stft).eval()
    assert sum(weight.numel() for weight in network.parameters()) == right["n_parameters"]
    assert network.dim == right["embed_size"]
    names = listed[f"{'_'.join(map(str, stft))}@18"]["state_dict"] | right.get("state_dict_differs_from_18s", {})
    unlearnt = ("num_batches_tracked", "stft.window")
    assert {name: list(values.shape) for name, values in network.golden().items()} == {
        name: shape for name, shape in names.items() if not name.endswith(unlearnt)
    }
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, 16000 * seconds))
    assert counter.get_total_flops() == 2 * right["macs"]
