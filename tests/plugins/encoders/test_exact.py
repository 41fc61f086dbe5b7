"""``exact = true``: which encoders take it, that every step is float64, and that other kernels give the same features.

Every kind of network is tried in a small size: with the weights of the golden files where they are in the repository,
with drawn ones elsewhere.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from numpy._core._multiarray_umath import __cpu_dispatch__
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import asdcore
from asdcore import PluginError
from asdcore.compute.recipes import feature_recipe
from asdcore.contract.plugins import installed
from asdcore.portfolio import parse_portfolio
from asdcore.store.digests.digest import recipe_digest
from asdcore.testing import encoder_checks
from asdcore_plugins.nn import panns
from asdcore_plugins.nn.dymn import DyMN
from asdcore_plugins.nn.front_ends.mel import slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import torch_bank
from asdcore_plugins.nn.mobilenet import MobileNetV3
from asdcore_plugins.nn.running.run import TorchEncoder

DASHENG = Path(__file__).parents[2] / "golden" / "encoders" / "dasheng" / "checkpoint.pt"

GOLDEN = ("audiomae", "beats", "ced_audio", "dasheng", "eat", "echo", "fisher", "passt")
"""Encoders of which the repository holds a small checkpoint."""

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
SPEECH = SMALL | {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
LARGE = SPEECH | {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
HTSAT = {
    "patch_embeds_hidden_size": 8,
    "hidden_size": 16,
    "depths": [1, 1],
    "num_attention_heads": [1, 2],
    "projection_dim": 12,
    "aff_block_r": 2,
    "spec_size": 64,
    "num_mel_bins": 32,
}
SECOND = {"sampling_rate": 16000, "hop_length": 160, "max_length_s": 1, "frequency_max": 7000, "feature_size": 32}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "max_source_positions": 100,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
HUB = {
    "ast": (transformers.ASTModel, transformers.ASTConfig, SMALL | {"max_length": 34, "num_mel_bins": 36}),
    "clap": (transformers.ClapAudioModelWithProjection, transformers.ClapAudioConfig, HTSAT),
    "clap-fused": (
        transformers.ClapAudioModelWithProjection,
        transformers.ClapAudioConfig,
        HTSAT | {"enable_fusion": True},
    ),
    "data2vec": (transformers.Data2VecAudioModel, transformers.Data2VecAudioConfig, SPEECH),
    "hubert": (transformers.HubertModel, transformers.HubertConfig, SPEECH),
    "hubert-large": (transformers.HubertModel, transformers.HubertConfig, LARGE),
    "wavlm": (transformers.WavLMModel, transformers.WavLMConfig, SPEECH),
    "wavlm-large": (transformers.WavLMModel, transformers.WavLMConfig, LARGE),
    "whisper": (transformers.WhisperForConditionalGeneration, transformers.WhisperConfig, WHISPER),
}
"""Encoders whose modules are those of the transformers library."""

CASES = (*GOLDEN, *HUB, "efficientat", "efficientat-dymn", "panns")

LAYERS_OF_INDICES = ("buckets", "_relative_positions_bucket")
"""Functions that turn distances of tokens into whole numbers, in float32 as their authors do: they reach no token."""


def panns_state(random_state):
    """A MobileNetV1 of PANNs with the fixed tensors of a checkpoint, for a spectrogram of 32 bands."""
    steps = torch.arange(257)[:, None] * torch.arange(512)
    phase, taper = steps % 512 * (2.0 * torch.pi / 512), torch.hann_window(512)
    return {
        "spectrogram_extractor.stft.conv_real.weight": (phase.cos() * taper)[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": (-phase.sin() * taper)[:, None],
        "logmel_extractor.melW": torch_bank(slaney_bank, 32000, 512, 32, 50.0, 14000.0).to_dense().T.float(),
        **random_state(panns.MobileNetV1(32, 64, 10)),
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory, random_state, golden_parameters):
    """A function that makes the small checkpoint of a case; returns the encoder's name and its parameters."""

    def make(case):
        name = case.partition("-")[0]
        if case in GOLDEN:
            return name, golden_parameters(case)
        folder = tmp_path_factory.mktemp(case)
        if case in HUB:
            torch.manual_seed(0)
            model, config, sizes = HUB[case]
            model(config(**sizes)).save_pretrained(folder)
            if name == "clap":
                (folder / "preprocessor_config.json").write_text(json.dumps(SECOND))
            return name, {"checkpoint": folder}
        parameters = {"mel_bins": 32, "window_size": 512} if name == "panns" else {}
        if name == "panns":
            state = {"model": panns_state(random_state)}
        else:
            state = random_state(DyMN(0.1, 10, all_dynamic=True) if case.endswith("dymn") else MobileNetV3(0.1, 10))
        torch.save(state, folder / "small.pt")
        return name, {"checkpoint": str(folder / "small.pt"), **parameters}

    return make


def sound(rate, seconds=1.5):
    """(1, n_samples): a tone in noise, of 16 bits as a recording is."""
    rng, n_samples = np.random.default_rng(0), int(rate * seconds)
    clip = 0.1 * np.sin(2 * np.pi * 440.0 * np.arange(n_samples) / rate) + 0.05 * rng.standard_normal(n_samples)
    return (np.rint(clip * 2**15) / 2**15).astype(np.float32)[None]


class Narrow(TorchDispatchMode):
    """Notes every operation of torch that gives numbers of less than float64."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run the operation and look at the types of what it returns."""
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            wide = not isinstance(value, torch.Tensor) or value.dtype in (torch.float64, torch.complex128)
            if wide or not value.numel() or not (value.is_floating_point() or value.is_complex()):
                continue
            if not any(frame.name in LAYERS_OF_INDICES for frame in traceback.extract_stack()):
                self.seen.add(f"{function} -> {value.dtype}")
        return result


def narrow_steps(encoder):
    """Encode a clip; returns what gave less than float64: operations of torch, and modules, by name."""
    hooks, modules = [], set()
    for name, module in encoder.model.named_modules():

        def note(_, given, left, name=name):
            tensors = [value for value in tree_leaves((given, left)) if isinstance(value, torch.Tensor)]
            modules.update(name for value in tensors if value.is_floating_point() and value.dtype != torch.float64)

        hooks.append(module.register_forward_hook(note))
    with Narrow() as mode:
        tokens = encoder.encode(sound(encoder.sample_rate), encoder.layers)
    for hook in hooks:
        hook.remove()
    return mode.seen | modules, tokens


# What takes it.


def test_every_encoder_with_a_network_takes_it_and_no_other_does():
    takes = {}
    for name, component in installed().components("encoder").items():
        takes[name] = inspect.signature(component.factory).parameters.get("exact")
        says_why = "exact" in getattr(component.factory, "not_parameters", {})
        assert (takes[name] is None) == says_why, name
    elsewhere = {"hear", "onnx", "embedding_residual"}  # the last hands it to the encoder that it is of
    assert {name.partition("-")[0] for name in CASES} | elsewhere == {name for name in takes if takes[name]}
    assert all(parameter.default is False for parameter in takes.values() if parameter)


def test_an_encoder_without_a_network_says_why_it_does_not_take_it():
    with pytest.raises(
        PluginError, match=r"'logmel' takes no parameter 'exact'\. It has no network, and computes in f"
    ):
        asdcore.load_encoder("logmel", exact=True)


@pytest.mark.parametrize("encoder", ["hear", "onnx"])
def test_what_others_compute_is_refused_with_what_to_do_instead(encoder, tmp_path):
    (tmp_path / "any.onnx").touch()
    given = {"hear": {"module": "any"}, "onnx": {"checkpoint": tmp_path / "any.onnx"}}[encoder]
    with pytest.raises(
        PluginError, match=r"exact = true is not possible for the .*any.*: .+\. Instead, leave exact out"
    ):
        asdcore.load_encoder(encoder, **given, exact=True)


def test_it_is_part_of_the_recipe_of_features():
    digests = set()
    for given in ({}, {"exact": True}):
        encoder = {"name": "dasheng", "checkpoint": str(DASHENG), **given}
        branches = {"b": {"encoder": encoder, "scorer": "knn"}}
        plan = parse_portfolio({"name": "p", "branches": branches, "systems": {"S": {"weights": {"b": 1}}}})
        digests.add(recipe_digest(feature_recipe(plan.branches["b"].parts[0], installed(), None)))
    assert len(digests) == 2


# Float64 from the waveform to the tokens.


@pytest.mark.parametrize("case", CASES)
def test_every_step_is_float64_and_the_tokens_are_those_of_float32(case, small):
    name, parameters = small(case)
    exact, plain = (asdcore.load_encoder(name, **parameters, exact=exact) for exact in (True, False))
    tensors = (*exact.model.named_parameters(), *exact.model.named_buffers())
    assert [key for key, value in tensors if value.is_floating_point() and value.dtype != torch.float64] == []
    narrow, tokens = narrow_steps(exact)
    assert narrow == set()
    expected = plain.encode(sound(plain.sample_rate), plain.layers)
    for layer in plain.layers:
        found, theirs = tokens[layer].patches, expected[layer].patches
        assert (found.dtype, theirs.dtype) == (np.float64, np.float32)
        assert np.abs(found - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_a_clip_heard_in_windows_stays_float64(small):
    name, parameters = small("eat")
    encoder = asdcore.load_encoder(name, **parameters, exact=True)
    tokens = encoder.encode(sound(16000, seconds=6.0), [0])[0]
    assert tokens.patches.dtype == tokens.special.dtype == np.float64


class Careless(TorchEncoder):
    """Takes a constant of float32 into a float64 network."""

    name, sample_rate, layers = "careless", 8000, ("final",)

    def __init__(self):
        super().__init__(torch.nn.Linear(4, 4), exact=True)

    def front_end(self, audio):
        return audio.unfold(1, 4, 4)

    def tokens(self, spectrogram, layers):
        return {"final": (self.model(spectrogram.float().double())[:, :, None], None)}


def test_a_step_in_float32_would_be_seen():
    narrow, _ = narrow_steps(Careless())
    assert len(narrow) == 1
    assert narrow.pop().endswith("-> torch.float32")


@encoder_checks(lambda: asdcore.load_encoder("dasheng", checkpoint=DASHENG, exact=True))
def test_an_exact_encoder_conforms(check):
    check()


# Other processors.

KERNELS = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
}
"""What makes libraries compute as on an old processor."""

FEATURES = """
    import hashlib, json, sys
    from pathlib import Path
    import numpy as np
    from asdcore.compute.encoding import encoding
    from asdcore.compute.encoding.requests import Output, Request

    clips, encoders = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    poolings = {"mean_std": {}, "max": {}, "gem": {"p": 3.0}, "rdp": {"gamma": 10.0}, "frames": {}}
    outputs = tuple(Output(None, name, json.dumps(given), Path(name)) for name, given in poolings.items())
    requests = [Request("near", "{}", name, json.dumps(given), outputs) for name, given in encoders]
    features = hashlib.sha256()
    for file in clips:
        sound = np.load(file)
        for of_encoder in requests:
            ready = encoding.prepare(sound, 16000, [of_encoder], None)
            (pooled,) = encoding.encode([ready], [of_encoder], None)
            for output in outputs:
                features.update(pooled[output].tobytes())
    print(features.hexdigest())
"""


def test_other_kernels_give_the_same_features(small, tmp_path):
    np.save(tmp_path / "clip.npy", sound(16000))
    encoders = []
    for case in ("efficientat", "dasheng"):
        name, parameters = small(case)
        encoders.append((name, {**parameters, "checkpoint": str(parameters["checkpoint"]), "exact": True}))
    plain = {name: value for name, value in os.environ.items() if name not in KERNELS}
    command = [sys.executable, "-c", textwrap.dedent(FEATURES), json.dumps([str(tmp_path / "clip.npy")])]
    digests = [
        subprocess.run(
            [*command, json.dumps(encoders)], env=plain | kernels, check=True, capture_output=True, text=True
        )
        for kernels in ({}, KERNELS)
    ]
    assert digests[0].stdout.strip()
    assert digests[0].stdout == digests[1].stdout


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("case", CASES)
def test_a_gpu_computes_in_float64_too(case, small):
    name, parameters = small(case)
    tokens = [
        encoder.encode(sound(encoder.sample_rate))[encoder.layers[-1]].patches
        for encoder in (
            asdcore.load_encoder(name, **parameters, exact=True, device=device) for device in ("cpu", "cuda")
        )
    ]
    assert np.abs(tokens[0] - tokens[1]).max() < 1e-11 * np.abs(tokens[0]).max()
