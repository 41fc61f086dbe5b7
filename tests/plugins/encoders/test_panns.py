"""PANNs, against what the authors' code gave with weights by formula, in the format of their checkpoints.

Stage 1, the front end, has test_spectrograms.py; here the networks get the spectrogram that the authors' code made,
and once the waveform. Limits: 1e-4 of the scale of the output.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.front_ends.mel import slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import torch_bank
from asdcore_plugins.nn.panns import Cnn, MobileNetV1

MAKERS = {
    "cnn14": lambda n_mels=64, n_classes=527: Cnn(n_mels, 2048, n_classes, n_blocks=6, n_convs=2, kernel=3),
    "cnn10": lambda n_mels=64, n_classes=527: Cnn(n_mels, 512, n_classes, n_blocks=4, n_convs=2, kernel=3),
    "cnn6": lambda n_mels=64, n_classes=527: Cnn(n_mels, 512, n_classes, n_blocks=4, n_convs=1, kernel=5),
    "mobilenetv1": lambda n_mels=64, n_classes=527: MobileNetV1(n_mels, 1024, n_classes),
}
SEEDS = {"cnn14": 31, "cnn6": 41, "mobilenetv1": 51}
GOLDEN = ("cnn6", "mobilenetv1")
"""Cases that are loaded from a file; Cnn14's would be one of 327 MB, so its state is loaded as it is."""

SMALL = {"mel_bins": 32, "window_size": 512}


def load(checkpoint, **parameters):
    return asdcore.load_encoder("panns", checkpoint=str(checkpoint), **parameters)


def spectrogram_tensors(sample_rate=32000, n_fft=1024, n_mels=64, low=50.0, high=14000.0):
    """The fixed tensors of a checkpoint, as torchlibrosa makes them: powers of one root of unity, times the window."""
    step, time = np.meshgrid(np.arange(n_fft), np.arange(n_fft))
    fourier = np.power(np.exp(-2 * np.pi * 1j / n_fft), step * time)[:, : n_fft // 2 + 1]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    windowed = (fourier * taper[:, None]).T[:, None]
    return {
        "spectrogram_extractor.stft.conv_real.weight": torch.from_numpy(windowed.real.astype(np.float32)),
        "spectrogram_extractor.stft.conv_imag.weight": torch.from_numpy(windowed.imag.astype(np.float32)),
        "logmel_extractor.melW": torch_bank(slaney_bank, sample_rate, n_fft, n_mels, low, high).to_dense().T.float(),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory, formula_state):
    """Checkpoints of the golden cases that are small enough for a file."""
    folder, fixed = tmp_path_factory.mktemp("panns"), spectrogram_tensors()
    for name in GOLDEN:
        torch.save({"iteration": 1, "model": {**fixed, **formula_state(f"panns_{name}")}}, folder / f"{name}.pth")
    return {name: folder / f"{name}.pth" for name in GOLDEN}


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory, random_state):
    """MobileNetV1 on a coarser spectrogram, with 10 classes."""
    path = tmp_path_factory.mktemp("tiny") / "mobilenetv1.pth"
    state = {**spectrogram_tensors(n_fft=512, n_mels=32), **random_state(MobileNetV1(32, 64, 10))}
    torch.save({"model": state}, path)
    return path


@pytest.fixture(scope="module")
def tiny(tiny_file):
    return load(tiny_file, **SMALL)


def noise(n_clips, n_samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


# What the authors' code gave.


def compare(maps, expected, classifier):
    """Compare maps (n_clips, channels, time, band) with the golden means and maxima, and the embedding."""
    stages = {name.partition(".mean_tf")[0] for name in expected if name.endswith(".mean_tf")}
    for stage in sorted(stages):
        found = maps[int(stage.removeprefix("conv_block").removeprefix("features."))]
        for name, values in (("mean", found.mean((2, 3))), ("max", found.amax((2, 3)))):
            want = expected[f"{stage}.{name}_tf"]
            assert np.abs(values.numpy() - want).max() < 1e-4 * np.abs(want).max(), f"{name} of {stage}"
    embedding = expected["embedding"]
    assert np.abs(maps["final"].numpy() - embedding).max() < 1e-4 * np.abs(embedding).max()
    clipwise = torch.sigmoid(classifier(maps["final"])).numpy()
    assert np.abs(clipwise - expected["clipwise_output"]).max() < 1e-4
    return stages


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
@pytest.mark.parametrize("name", GOLDEN)
def test_layers_equal_the_authors_from_the_stored_spectrogram(files, golden, name, clips):
    encoder = load(files[name])
    expected = {key: values[clips] for key, values in np.load(golden(f"panns_{name}", "expected.npz")).items()}
    with torch.inference_mode():
        maps = encoder.model(torch.from_numpy(expected["logmel"][:, 0]), encoder.layers)
        stages = compare(maps, expected, encoder.model.fc_audioset)
    assert len(stages) == {"cnn6": 4, "mobilenetv1": 14}[name]


def test_layers_of_cnn14_equal_the_authors_from_the_stored_spectrogram(formula_state, golden):
    with torch.device("meta"):
        model = MAKERS["cnn14"]().eval()
    model.load_state_dict(formula_state("panns_cnn14"), assign=True)
    expected = np.load(golden("panns_cnn14", "expected.npz"))
    with torch.inference_mode():
        maps = model(torch.from_numpy(expected["logmel"][:, 0]), [*range(7), "final"])
        assert len(compare(maps, expected, model.fc_audioset)) == 6


@pytest.mark.parametrize("name", GOLDEN)
def test_layers_equal_the_authors_from_the_waveform(files, golden, wave, name):
    encoder = load(files[name])
    expected = np.load(golden(f"panns_{name}", "expected.npz"))
    tokens = encoder.encode(wave(SEEDS[name], 64000, 32000), encoder.layers)
    maps = {layer: torch.from_numpy(tokens[layer].patches).permute(0, 3, 1, 2) for layer in encoder.layers}
    with torch.inference_mode():
        compare({**maps, "final": maps["final"][:, :, 0, 0]}, expected, encoder.model.fc_audioset)


@pytest.mark.parametrize("name", list(SEEDS))
def test_tensors_are_named_and_shaped_as_in_the_release(golden, name):
    expected = json.loads(golden(f"panns_{name}", "keys.json").read_text())["keys"]
    with torch.device("meta"):
        own = {key: list(tensor.shape) for key, tensor in MAKERS[name]().state_dict().items()}
    fixed = {key: list(tensor.shape) for key, tensor in spectrogram_tensors().items()}
    assert {**fixed, **own} == expected


@pytest.mark.parametrize(
    ("name", "published"),
    [("cnn14", 80_753_615), ("cnn10", 5_219_279), ("cnn6", 4_837_455), ("mobilenetv1", 4_796_303)],
)
def test_every_network_has_the_published_number_of_parameters(name, published):
    # Kong et al. 2020, the table of complexities.
    with torch.device("meta"):
        assert sum(tensor.numel() for tensor in MAKERS[name]().parameters()) == published


def test_the_fourier_matrices_here_are_those_of_the_authors(golden):
    expected = json.loads(golden("panns_cnn6", "config.json").read_text())["crc32_of_float32_le_bytes"]
    for name, values in spectrogram_tensors().items():
        if "stft" in name:
            assert zlib.crc32(values.numpy().tobytes()) == expected[name], name


# Layers and tokens.


@pytest.mark.parametrize(
    ("name", "layers", "grid", "dim"),
    [("cnn6", 5, (62, 4), 512), ("cnn10", 5, (62, 4), 512), ("mobilenetv1", 14, (31, 2), 1024)],
)
def test_tokens_of_ten_seconds(tmp_path, random_state, name, layers, grid, dim):
    torch.save({"model": {**spectrogram_tensors(), **random_state(MAKERS[name]())}}, tmp_path / "random.pth")
    encoder = load(tmp_path / "random.pth")
    assert encoder.layers == (*range(layers), "final")
    tokens = encoder.encode(noise(1, 320_000), encoder.layers)
    assert tokens[0].patches.shape == {"mobilenetv1": (1, 500, 32, 32)}.get(name, (1, 1001, 64, 1))
    assert tokens[layers - 1].patches.shape == (1, *grid, dim)
    assert tokens["final"].patches.shape == (1, 1, 1, dim)


def test_layers_above_the_highest_wanted_are_not_computed(tiny):
    ran = []
    hooks = [part.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, part in enumerate(tiny.model.features)]
    tiny.encode(noise(1, 16000), [2, 0])
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1, 2]


def test_same_bits_alone_and_in_a_batch(check_alone, tiny):
    check_alone(tiny, noise(4, 20_000))


def test_the_networks_of_16_khz_are_parameters(tmp_path, random_state):
    fixed = spectrogram_tensors(sample_rate=16000, n_fft=512, high=8000.0)
    torch.save({"model": {**fixed, **random_state(MAKERS["cnn6"]())}}, tmp_path / "16k.pth")
    encoder = load(tmp_path / "16k.pth", sample_rate=16000, window_size=512, hop_size=160, fmax=8000)
    assert encoder.sample_rate == 16000
    assert encoder.encode(noise(1, 160_000), [0])[0].patches.shape == (1, 1001, 64, 1)


@pytest.mark.parametrize("n_samples", [9920, 960_000])
def test_clips_of_any_length_from_one_token_on(tiny, n_samples):
    tokens = tiny.encode(noise(1, n_samples), tiny.layers)
    assert tokens[13].patches.shape[1] == (1 + n_samples // 320) // 32
    assert all(np.isfinite(one.patches).all() for one in tokens.values())


@pytest.mark.parametrize("n_samples", [6400, 9919])
def test_a_clip_too_short_for_one_token_is_refused(tiny, n_samples):
    with pytest.raises(DataError, match=f"a clip of {n_samples} samples at 32000 Hz is too short .* needs 9920"):
        tiny.encode(noise(1, n_samples))


def test_digital_silence_is_finite(files):
    encoder = load(files["cnn6"])
    tokens = encoder.encode(np.zeros((1, 16_000), np.float32), encoder.layers)
    assert all(np.isfinite(one.patches).all() for one in tokens.values())


# Checkpoints and parameters that do not fit.


def test_what_does_not_fit_is_listed(tiny_file, tmp_path):
    state = torch.load(tiny_file, weights_only=True)["model"]
    del state["features.3.4.weight"]
    state["features.14.0.weight"] = torch.zeros(1)
    state["bn0.bias"] = torch.zeros(64)
    torch.save({"model": state}, tmp_path / "wrong.pth")
    with pytest.raises(DataError) as refused:
        load(tmp_path / "wrong.pth", **SMALL)
    message = str(refused.value)
    assert "taken for MobileNetV1 of PANNs" in message
    assert "missing (1): features.3.4.weight" in message
    assert "unexpected (1): features.14.0.weight" in message
    assert "misshapen (1): bn0.bias is (64,), not (32,)" in message


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"model": 3}, [torch.zeros(2)], torch.zeros(2)])
def test_another_kind_of_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"taken for one of PANNs, .*fc_audioset\.weight"):
        load(tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, r"conv_real\.weight is \(257, 1, 512\), not \(513, 1, 1024\)"),
        ({"window_size": 512}, r"melW is \(257, 32\), not \(257, 64\)"),
        ({**SMALL, "fmax": 15000}, r"melW has other values"),
        ({**SMALL, "fmin": 40}, r"melW has other values"),
        ({**SMALL, "sample_rate": 44100}, r"melW has other values"),
    ],
)
def test_another_spectrogram_than_in_training_is_refused(tiny_file, parameters, reason):
    with pytest.raises(DataError, match=f"another spectrogram than its parameters describe: .*{reason}"):
        load(tiny_file, **parameters)


def test_a_checkpoint_without_its_spectrogram_is_refused(tiny_file, tmp_path):
    state = torch.load(tiny_file, weights_only=True)["model"]
    del state["logmel_extractor.melW"]
    torch.save({"model": state}, tmp_path / "bare.pth")
    with pytest.raises(DataError, match=r"logmel_extractor\.melW is missing"):
        load(tmp_path / "bare.pth", **SMALL)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hop_size": 0}, "must be above 0, window_size even"),
        ({"window_size": 511}, "must be above 0, window_size even"),
        ({"mel_bins": 31}, "mel_bins is 31; the network halves them down to one and needs 32"),
        ({"fmax": 17000}, "64 mel bands from 50.0 to 17000 Hz are not possible"),
    ],
)
def test_wrong_parameters_are_refused(tiny_file, parameters, message):
    with pytest.raises(PluginError, match=message):
        load(tiny_file, **parameters)


def test_a_number_of_classes_may_be_demanded(tiny_file):
    assert load(tiny_file, **SMALL, classes_num=10).model.fc_audioset.out_features == 10
    with pytest.raises(DataError, match=r"fc_audioset\.weight is \(10, 64\), not \(527, 64\)"):
        load(tiny_file, **SMALL, classes_num=527)


CHECKED: dict[str, object] = {}


@pytest.fixture(autouse=True, scope="module")
def checked(tiny_file):
    """Tell the conformance checks, which are collected before any fixture runs, where the checkpoint lies."""
    CHECKED["checkpoint"] = tiny_file


@encoder_checks(lambda: load(CHECKED["checkpoint"], **SMALL))
def test_conforms(check):
    check()
