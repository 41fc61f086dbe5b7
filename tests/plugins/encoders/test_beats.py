"""BEATs, against what the authors' code gave on a small network with weights by formula.

Two stages: the waveform to the front end, and the stored fbank to every layer; then once from end to end.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.beats import Beats
from asdcore_plugins.nn.beats_checkpoint import NAMES, network
from asdcore_plugins.nn.checkpoints.weights import fit

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "beats"
EXPECTED = GOLDEN / "expected_pretrained.npz"
WAVES = (1, 40000, 16000)


@pytest.fixture(scope="module")
def encoder():
    return asdcore.load_encoder("beats", checkpoint=GOLDEN / "checkpoint_pretrained.pt")


def content():
    return torch.load(GOLDEN / "checkpoint_pretrained.pt", weights_only=True)


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio)).numpy()
    assert np.abs(found - expected["fbank"]).max() < 3e-4


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
def test_every_layer_equals_the_authors_from_their_fbank(encoder, expected, check_layers, clips):
    found = encoder.tokens(torch.from_numpy(expected["fbank"][clips]), encoder.layers)
    assert list(found) == list(encoder.layers) == [0, 1, 2, 3]
    check_layers(found, expected, 1e-5, clips=clips)


def test_every_layer_equals_the_authors_from_the_waveform(encoder, expected, audio, check_layers):
    found = encoder.encode(audio, encoder.layers)
    assert list(found) == [0, 1, 2, 3]
    check_layers(found, expected, 1e-4)


def test_a_fine_tuned_checkpoint_gives_its_layers_and_no_class_scores(audio, sequence, layer_name):
    encoder = asdcore.load_encoder("beats", checkpoint=GOLDEN / "checkpoint_finetuned.pt")
    expected = np.load(GOLDEN / "expected_finetuned.npz")
    found = encoder.encode(audio, [0, 3])
    assert encoder.layers == (0, 1, 2, 3)
    for layer in (0, 3):
        assert np.abs(sequence(found[layer]) - expected[layer_name(layer)]).max() < 1e-4


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize("file", ["keys.json", "keys_finetuned.json"])
def test_the_official_checkpoints_fit(file):
    official = json.loads((GOLDEN / file).read_text())
    with torch.device("meta"):
        model = Beats(official["cfg"])
        state = {name: torch.empty(shape) for name, shape in official["keys"].items()}
    fit(model, state, where=file, names=NAMES, ignore=["predictor."])
    assert len(model.state_dict()) == official["n_keys"] - len([name for name in state if "predictor" in name]) == 250


def test_ten_seconds_are_62_by_8_tokens(encoder):
    tokens = encoder.encode(np.zeros((1, 160000), np.float32))[3]
    assert tokens.patches.shape == (1, 62, 8, 48)
    assert tokens.special is None
    assert np.isfinite(tokens.patches).all()


@pytest.mark.parametrize(("n_samples", "time"), [(2800, 1), (5359, 1), (5360, 2), (480000, 187)])
def test_clips_of_any_length_from_one_patch_on_are_taken_whole(encoder, n_samples, time):
    noise = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    tokens = encoder.encode(noise, [0])[0].patches
    assert tokens.shape == (1, time, 8, 48)
    assert np.isfinite(tokens).all()


def test_a_clip_without_a_whole_patch_is_refused(encoder):
    with pytest.raises(DataError, match="2799 samples at 16000 Hz is too short .* needs 2800 .175 ms"):
        encoder.encode(np.zeros((1, 2799), np.float32))


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [1, 2]) == [1, 2]


def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals):
    whole = content()
    check_refusals(lambda state: network({**whole, "model": state}, where="a.pt"), whole["model"])


def test_layers_that_disagree_about_the_position_bias_are_refused():
    whole = content()
    name = "encoder.layers.2.self_attn.relative_attention_bias.weight"
    whole["model"][name] = whole["model"][name] + 1.0
    with pytest.raises(DataError, match=r"a\.pt has a relative_attention_bias in layer 2 that differs"):
        network(whole, where="a.pt")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"deep_norm": False}, r"deep_norm = False instead of True"),
        ({"layer_norm_first": True}, r"layer_norm_first = True instead of False"),
        ({"max_distance": None}, r"max_distance = None"),
        ({"encoder_layers": "3"}, r"encoder_layers = '3'"),
    ],
)
def test_a_configuration_that_no_official_checkpoint_has_is_refused(change, found):
    whole = content()
    whole["cfg"] |= change
    with pytest.raises(DataError, match=rf"a\.pt has a cfg unlike that of every official checkpoint: {found}"):
        network(whole, where="a.pt")


@pytest.mark.parametrize("other", [{}, {"cfg": {}}, {"cfg": 1, "model": {}}, [1]])
def test_another_kind_of_checkpoint_is_refused(other):
    with pytest.raises(DataError, match=r"a\.pt (holds no dictionary|has a cfg unlike)"):
        network(other, where="a.pt")


@encoder_checks(lambda: asdcore.load_encoder("beats", checkpoint=GOLDEN / "checkpoint_pretrained.pt"))
def test_conforms(check):
    check()
