"""EfficientAT, against what the authors' code gave: mn04 with its released weights, others with weights by formula.

Stage 1, the front end, has test_spectrograms.py; here the network gets the spectrogram that the authors' code made,
and once the waveform. Limits: 1e-4 of the scale of the output.

``golden/encoders/efficientat_dymn`` was made by running the authors' ``models/dymn`` (commit 138342a, options that no
released model uses left out, the temperature 1 of the AudioSet models) on the formula weights of its config.json, in
float32 on one thread, from the spectrogram that is in it; "all" and "replace_se" are the authors' names for which
blocks are dynamic.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.dymn import DyMN
from asdcore_plugins.nn.mobilenet import MobileNetV3

LAYERS = [*range(17), "final"]


def load(checkpoint, **parameters):
    return asdcore.load_encoder("efficientat", checkpoint=str(checkpoint), **parameters)


@pytest.fixture
def mn04(shared):
    return load(shared("weights", "mn04_as", "mn04_as_mAP_432.pt"))


@pytest.fixture(scope="module")
def mn10(tmp_path_factory, formula_state):
    path = tmp_path_factory.mktemp("mn10") / "mn10.pt"
    torch.save(formula_state("efficientat_mn10"), path)
    return load(path)


@pytest.fixture(scope="module")
def dymn_files(tmp_path_factory, golden, formula):
    """The two kinds of DyMN with weights by formula, named as in the authors' checkpoints."""
    config = json.loads(golden("efficientat_dymn", "config.json").read_text())
    fixed = {"lambdas": torch.tensor([1.0, 1.0, 0.5, 0.5]), "init_v": torch.tensor([1.0, 0.0, 0.0, 0.0])}
    paths = {}
    for kind, shapes in json.loads(golden("efficientat_dymn", "keys.json").read_text()).items():
        state = {name: fixed.get(name.rpartition(".")[2]) for name in shapes}
        for name, shape in shapes.items():
            if name.endswith("num_batches_tracked"):
                state[name] = torch.tensor(0)
            elif state[name] is None:
                state[name] = torch.from_numpy(formula(name, tuple(shape), config["seed"], config["fill"]))
        paths[kind] = tmp_path_factory.mktemp("dymn") / f"{kind}.pt"
        torch.save(state, paths[kind])
    return paths


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory, random_state):
    """A network of width 0.1 with 10 classes."""
    path = tmp_path_factory.mktemp("tiny") / "mn01.pt"
    torch.save(random_state(MobileNetV3(0.1, 10)), path)
    return path


@pytest.fixture(scope="module")
def tiny(tiny_file):
    return load(tiny_file)


def noise(n_clips, n_samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


# What the authors' code gave.


def compare(maps, expected, classifier):
    """Compare maps (n_clips, channels, bands, time) with the golden means and deviations, and the embedding."""
    for i in range(17):
        for name, found in (("mean", maps[i].mean((2, 3))), ("std", maps[i].std((2, 3), unbiased=False))):
            want = expected[f"block_{i:02d}.{name}_ft"]
            assert np.abs(found.numpy() - want).max() < 1e-4 * np.abs(want).max(), f"{name} of layer {i}"
    embedding, logits = expected["embedding"], expected["logits"]
    assert np.abs(maps["final"].numpy() - embedding).max() < 1e-4 * np.abs(embedding).max()
    assert np.abs(classifier(maps["final"]).numpy() - logits).max() < 1e-4 * np.abs(logits).max()


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
@pytest.mark.parametrize("case", ["mn04", "mn10"])
def test_layers_equal_the_authors_from_the_stored_spectrogram(request, golden, case, clips):
    encoder = request.getfixturevalue(case)
    folder = {"mn04": "efficientat_mn04_real", "mn10": "efficientat_mn10"}[case]
    expected = {name: values[clips] for name, values in np.load(golden(folder, "expected.npz")).items()}
    with torch.inference_mode():
        maps = encoder.model(torch.from_numpy(expected["mel"]).transpose(1, 2), LAYERS)
        compare(maps, expected, encoder.model.classifier[2:])


@pytest.mark.parametrize("kind", ["all", "replace_se"])
def test_layers_of_dymn_equal_the_authors(dymn_files, golden, kind):
    encoder = load(dymn_files[kind])
    stored = np.load(golden("efficientat_dymn", "expected.npz"))
    expected = {name.removeprefix(f"{kind}."): values for name, values in stored.items() if name.startswith(kind)}
    assert len(expected) == 36
    with torch.inference_mode():
        maps = encoder.model(torch.from_numpy(stored["mel"]), LAYERS)
        compare(maps, expected, encoder.model.classifier[2:])
        alone = encoder.model(torch.from_numpy(stored["mel"][1:]), LAYERS)
        compare(alone, {name: values[1:] for name, values in expected.items()}, encoder.model.classifier[2:])


@pytest.mark.parametrize(
    ("case", "folder", "seed"), [("mn04", "efficientat_mn04_real", 61), ("mn10", "efficientat_mn10", 71)]
)
def test_layers_equal_the_authors_from_the_waveform(request, golden, wave, case, folder, seed):
    encoder = request.getfixturevalue(case)
    expected = np.load(golden(folder, "expected.npz"))
    tokens = encoder.encode(wave(seed, 80000, 32000), LAYERS)
    maps = {layer: torch.from_numpy(tokens[layer].patches).permute(0, 3, 2, 1) for layer in range(17)}
    with torch.inference_mode():
        final = torch.from_numpy(tokens["final"].patches[:, 0, 0])
        compare({**maps, "final": final}, expected, encoder.model.classifier[2:])


@pytest.mark.parametrize(("case", "width"), [("efficientat_mn04_real", 0.4), ("efficientat_mn10", 1.0)])
def test_tensors_are_named_and_shaped_as_in_the_release(golden, case, width):
    expected = json.loads(golden(case, "keys.json").read_text())["keys"]
    with torch.device("meta"):
        own = MobileNetV3(width, 527).state_dict()
    assert {name: list(tensor.shape) for name, tensor in own.items()} == expected


@pytest.mark.parametrize(
    ("width", "millions"), [(0.4, 0.983), (0.5, 1.43), (1.0, 4.88), (2.0, 17.91), (3.0, 39.09), (4.0, 68.43)]
)
def test_every_released_width_has_the_published_number_of_parameters(width, millions):
    with torch.device("meta"):
        n_parameters = sum(tensor.numel() for tensor in MobileNetV3(width, 527).parameters())
    assert n_parameters / 1e6 == pytest.approx(millions, abs=0.005 if width > 0.4 else 0.001)


def test_tensors_of_dymn_are_named_and_shaped_as_by_the_authors(golden):
    for kind, expected in json.loads(golden("efficientat_dymn", "keys.json").read_text()).items():
        with torch.device("meta"):
            own = DyMN(0.2, 10, all_dynamic=kind == "all").state_dict()
        assert {name: list(tensor.shape) for name, tensor in own.items()} == expected


# Layers and tokens.


def test_tokens_of_ten_seconds(tiny):
    tokens = tiny.encode(noise(1, 320_000), LAYERS)
    assert list(tiny.layers) == LAYERS
    grid = {layer: tokens[layer].patches.shape[1:3] for layer in LAYERS}
    assert [grid[layer] for layer in (0, 1, 2, 3)] == [(500, 64), (500, 64), (250, 32), (250, 32)]
    assert [grid[layer] for layer in (4, 6, 7, 12)] == [(125, 16), (125, 16), (63, 8), (63, 8)]
    assert [grid[layer] for layer in (13, 16, "final")] == [(32, 4), (32, 4), (1, 1)]
    assert all(one.special is None for one in tokens.values())


def test_the_default_is_the_mean_of_the_last_map(tiny):
    audio = noise(2, 32_000)
    last = tiny.encode(audio, [16])[16].patches
    assert np.allclose(tiny.encode(audio)["final"].patches[:, 0, 0], last.mean(axis=(1, 2)), atol=1e-6)


def test_layers_above_the_highest_wanted_are_not_computed(tiny):
    ran = []
    hooks = [part.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, part in enumerate(tiny.model.features)]
    tiny.encode(noise(1, 8000), [3, 1])
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["mn", "dymn"])
def test_same_bits_alone_and_in_a_batch(check_alone, tiny, dymn_files, kind):
    check_alone(tiny if kind == "mn" else load(dymn_files["all"]), noise(3, 20_000))


def test_other_resolutions_are_parameters(tiny_file):
    encoder = load(tiny_file, n_mels=64, hop_size=640)
    assert encoder.encode(noise(1, 320_000), [0])[0].patches.shape == (1, 250, 32, 8)
    shifted = load(tiny_file, fmin=100.0, fmax=14000.0).encode(noise(1, 16_000))["final"].patches
    assert not np.allclose(shifted, load(tiny_file).encode(noise(1, 16_000))["final"].patches, rtol=1e-3)


@pytest.mark.parametrize("n_samples", [514, 6400, 960_000])
def test_clips_of_any_length_from_one_window_on(tiny, n_samples):
    tokens = tiny.encode(noise(1, n_samples), LAYERS)
    assert tokens[0].patches.shape[1] == (1 + (n_samples - 1) // 320 + 1) // 2
    assert all(np.isfinite(one.patches).all() for one in tokens.values())


def test_a_clip_shorter_than_a_window_is_refused(tiny):
    with pytest.raises(DataError, match="a clip of 513 samples at 32000 Hz is too short .* needs 514"):
        tiny.encode(noise(1, 513))


def test_digital_silence_is_finite(mn04):
    tokens = mn04.encode(np.zeros((1, 32_000), np.float32), LAYERS)
    assert all(np.isfinite(one.patches).all() for one in tokens.values())


def test_an_unknown_layer_is_refused(tiny):
    with pytest.raises(ValueError, match=r"efficientat has no layer 17; its layers are \[0, 1, "):
        tiny.encode(noise(1, 8000), [17])


# Checkpoints and parameters that do not fit.


def test_what_does_not_fit_is_listed(tiny_file, tmp_path):
    state = torch.load(tiny_file, weights_only=True)
    del state["features.3.block.0.1.running_var"]
    state["features.3.block.9.weight"] = torch.zeros(1)
    state["features.0.0.weight"] = torch.zeros(8, 2, 3, 3)
    torch.save(state, tmp_path / "wrong.pt")
    with pytest.raises(DataError) as refused:
        load(tmp_path / "wrong.pt")
    message = str(refused.value)
    assert "missing (1): features.3.block.0.1.running_var" in message
    assert "unexpected (1): features.3.block.9.weight" in message
    assert "misshapen (1): features.0.0.weight is (8, 2, 3, 3), not (8, 1, 3, 3)" in message


@pytest.mark.parametrize("content", [{}, {"model": {"weight": torch.zeros(2)}}, [torch.zeros(2)], torch.zeros(2)])
def test_another_kind_of_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"taken for one of EfficientAT, .*classifier\.2\.weight"):
        load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hop_size": 0}, "must be above 0, window_size at most 1024"),
        ({"window_size": 1025}, "must be above 0, window_size at most 1024"),
        ({"sample_rate": 16000}, "mel bands from 0.0 to 15000.0 Hz are not possible"),
        ({"n_mels": 0}, "0 mel bands"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"autocast": "int8"}, "autocast is 'int8'; allowed are bfloat16, float16"),
    ],
)
def test_wrong_parameters_are_refused(tiny_file, parameters, message):
    with pytest.raises(PluginError, match=message):
        load(tiny_file, **parameters)


CHECKED: dict[str, object] = {}


@pytest.fixture(autouse=True, scope="module")
def checked(tiny_file):
    """Tell the conformance checks, which are collected before any fixture runs, where the checkpoint lies."""
    CHECKED["checkpoint"] = tiny_file


@encoder_checks(lambda: load(CHECKED["checkpoint"]))
def test_conforms(check):
    check()


@pytest.mark.parametrize("how", [{}, {"exact": True}, {"hop_size": 480, "n_mels": 64, "fmax": 14000.0}], ids=str)
def test_the_onnx_form_gives_the_same_tokens_for_clips_of_any_length(tiny_file, as_onnx, how):
    encoder, layers = load(tiny_file, **how), ["final", 3, 16]
    for samples in (514, 20001):
        clip = np.random.default_rng(samples).normal(scale=0.1, size=samples).astype(np.float32)
        tokens = encoder.encode(clip[None], layers)
        written = as_onnx(
            lambda audio: {k: patches for k, (patches, _) in encoder.to_onnx(audio, layers).items()}, clip
        )
        for layer in layers:
            patches = tokens[layer].patches[0]
            assert written[layer].shape == patches.shape
            assert written[layer] == pytest.approx(patches, abs=2e-5 * float(np.abs(patches).max()))


def test_windows_have_no_onnx_form(tiny_file, as_onnx):
    with pytest.raises(DataError, match="hears windows .window_seconds., and an ONNX file hears a clip at once"):
        as_onnx(lambda audio: load(tiny_file, window_seconds=1).to_onnx(audio, ["final"])["final"][0], np.zeros(600))


def test_half_precision_has_no_onnx_form(tiny_file, as_onnx):
    with pytest.raises(DataError, match="it was frozen with autocast = 'bfloat16', whose numbers no ONNX file gives"):
        as_onnx(lambda audio: load(tiny_file, autocast="bfloat16").to_onnx(audio, ["final"])["final"][0], np.zeros(600))
