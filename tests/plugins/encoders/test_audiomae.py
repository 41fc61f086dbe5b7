"""AudioMAE, against what the authors' code gave on a small network with weights by formula.

Two stages: the waveform to the front end, and the stored spectrogram to every layer; then once from end to end.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.encoders.audiomae import network

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "audiomae"
EXPECTED = GOLDEN / "expected_pretrained.npz"
WAVES = (91, 40000, 16000)
LAYERS = [0, 1, 2, 3, "contextual", "final"]
NAMES = {"contextual": "contextual_emb", "final": "final_norm"}


def load(kind="pretrained", **parameters):
    checkpoint = GOLDEN / f"checkpoint_{kind}.pth"
    return asdcore.load_encoder("audiomae", checkpoint=checkpoint, **{"num_heads": 4} | parameters)


@pytest.fixture(scope="module")
def encoder():
    return load(contextual_depth=0)


def content(kind="pretrained"):
    return torch.load(GOLDEN / f"checkpoint_{kind}.pth", weights_only=True)


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio)).numpy()
    assert np.abs(found - expected["mel"][:, 0]).max() < 3e-4


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
def test_every_layer_equals_the_authors_from_their_spectrogram(encoder, expected, check_layers, clips):
    found = encoder.tokens(torch.from_numpy(expected["mel"][clips, 0]), LAYERS)
    assert list(found) == list(encoder.layers) == LAYERS
    check_layers(found, expected, 1e-5, names=NAMES, clips=clips)


def test_every_layer_equals_the_authors_from_the_waveform(encoder, expected, audio, check_layers):
    found = encoder.encode(audio, LAYERS)
    assert list(found) == LAYERS
    check_layers(found, expected, 1e-4, names=NAMES)


def test_a_fine_tuned_checkpoint_ends_with_what_its_classifier_sees(expected):
    encoder, tuned = load("finetuned"), np.load(GOLDEN / "expected_finetuned.npz")
    patches, special = encoder.tokens(torch.from_numpy(expected["mel"][:, 0]), ["final"])["final"]
    assert encoder.layers == (0, 1, 2, 3, "final")
    assert patches.shape == (2, 1, 1, 32)
    assert special is None
    assert np.abs(patches[:, 0, 0].numpy() - tuned["features"]).max() < 1e-5
    state = content("finetuned")["model"]
    scores = patches[:, 0, 0] @ state["head.weight"].T + state["head.bias"]
    assert np.abs(scores.numpy() - tuned["logits"]).max() < 1e-5


def test_the_class_token_has_a_position_of_its_own(tmp_path, encoder, audio):
    state = content()["model"]
    moved = torch.linspace(-1.0, 1.0, 32)
    state["cls_token"] = state["cls_token"] - moved
    state["pos_embed"][:, 0] += moved
    torch.save({"model": state}, tmp_path / "moved.pth")
    twin = asdcore.load_encoder("audiomae", checkpoint=tmp_path / "moved.pth", num_heads=4)
    assert np.allclose(twin.encode(audio, [0])[0].special, encoder.encode(audio, [0])[0].special, atol=1e-6)


def test_there_is_no_contextual_layer_without_a_block_above_its_depth(encoder, audio, sequence):
    assert load(contextual_depth=2).layers == load().layers == (0, 1, 2, 3, "final")
    last = load(contextual_depth=1).encode(audio, ["contextual", "final"])
    assert np.array_equal(sequence(last["contextual"]), sequence(last["final"]))


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize(("file", "n_loaded"), [("keys.json", 150), ("keys_finetuned.json", 150)])
def test_the_official_checkpoints_fit(file, n_loaded):
    shapes = json.loads((GOLDEN / file).read_text())["keys"]
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in shapes.items()}
    model = network({"model": state, "epoch": 31}, where=file, num_heads=None)
    assert model.blocks[0].attn.heads == 12
    assert len(model.state_dict()) == n_loaded


def test_ten_seconds_are_64_by_8_tokens_and_a_class_token(tmp_path):
    state = content()["model"] | {"pos_embed": torch.zeros(1, 513, 32)}
    torch.save({"model": state}, tmp_path / "10s.pth")
    encoder = asdcore.load_encoder("audiomae", checkpoint=tmp_path / "10s.pth", num_heads=4, target_length=1024)
    tokens = encoder.encode(np.zeros((1, 160000), np.float32))["final"]
    assert tokens.patches.shape == (1, 64, 8, 32)
    assert tokens.special.shape == (1, 1, 32)
    assert np.isfinite(tokens.patches).all()


@pytest.mark.parametrize(("n_samples", "windows"), [(400, 1), (16000, 1), (41359, 1), (41360, 2), (480000, 12)])
def test_clips_of_any_length_are_padded_or_heard_in_windows(encoder, n_samples, windows):
    noise = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    assert encoder.encode(noise)["final"].patches.shape == (1, 16 * windows, 8, 32)
    assert load(beyond="cut").encode(noise)["final"].patches.shape == (1, 16, 8, 32)


def test_what_is_cut_off_is_not_heard(wave):
    encoder, audio = load(beyond="cut"), wave(91, 60000, 16000)
    assert encoder.hears == pytest.approx(41359 / 16000)
    louder = audio.copy()
    louder[:, 400 + 255 * 160 :] *= 3.0
    assert np.array_equal(encoder.encode(audio)["final"].patches, encoder.encode(louder)["final"].patches)


def test_a_length_without_positions_is_refused():
    with pytest.raises(PluginError, match="target_length is 1024; this checkpoint has positions for 256"):
        load(target_length=1024)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [2, 1]) == [1, 2]
    assert ran(encoder, audio[:1], ["contextual"]) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["pretrained", "finetuned"])
def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals, kind):
    left_out = ("mask_token", "decoder_", "head.")
    state = {name: value for name, value in content(kind)["model"].items() if not name.startswith(left_out)}
    check_refusals(lambda spoilt: network({"model": spoilt}, where="a.pt", num_heads=4), state)


def test_a_classifier_without_its_norm_is_refused():
    state = {name: value for name, value in content("finetuned")["model"].items() if not name.startswith("fc_norm")}
    with pytest.raises(DataError, match=r"missing \(2\): fc_norm\.weight, fc_norm\.bias"):
        network(state, where="a.pt", num_heads=4)


@encoder_checks(lambda: load(contextual_depth=0))
def test_conforms(check):
    check()
