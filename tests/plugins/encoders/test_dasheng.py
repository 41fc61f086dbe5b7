"""Dasheng, against what the authors' code gave on a small network with weights by formula.

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
from asdcore_plugins.encoders.dasheng import check_front_end, network

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "dasheng"
EXPECTED = GOLDEN / "expected_short.npz"
SHORT = 22000
LAYERS = [0, 1, 2, 3, "final"]
NAMES = {"final": "final"}


def load(**parameters):
    return asdcore.load_encoder("dasheng", checkpoint=GOLDEN / "checkpoint.pt", **parameters)


@pytest.fixture(scope="module")
def audio(wave):
    """Two clips, the second with a stretch of digital silence."""
    clips = wave(21, 40000, 16000)
    clips[1, 9000:13000] = 0.0
    return clips


def content():
    return torch.load(GOLDEN / "checkpoint.pt", weights_only=True)


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio[:, :SHORT]))
    assert np.abs(found.numpy() - expected["mel_db"].swapaxes(1, 2)).max() < 1.5e-3
    normalized = encoder.model.norms["init_bn"](torch.from_numpy(expected["mel_db"]))
    assert np.abs(normalized.numpy() - expected["mel_bn"][:, 0]).max() < 1e-5


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
def test_every_layer_equals_the_authors_from_their_spectrogram(encoder, expected, check_layers, clips):
    mel = expected["mel_db"][clips].swapaxes(1, 2)
    found = encoder.tokens(torch.from_numpy(mel), LAYERS)
    assert list(found) == list(encoder.layers) == LAYERS
    check_layers(found, expected, 2e-5, names=NAMES, clips=clips)


def test_every_layer_equals_the_authors_from_the_waveform(encoder, expected, audio, check_layers):
    found = encoder.encode(audio[:, :SHORT], LAYERS)
    assert list(found) == LAYERS
    check_layers(found, expected, 1e-4, names=NAMES)


def test_a_long_clip_is_heard_in_pieces_as_the_repository_does_it(encoder, audio, sequence):
    expected = np.load(GOLDEN / "expected_long.npz")
    found = sequence(encoder.encode(audio)["final"])
    assert np.abs(found - expected["final_github"]).max() < 1e-4
    assert np.abs(found - expected["final_pypi_0_0_9"]).max() > 0.1


@pytest.mark.parametrize(("n_samples", "time"), [(480, 1), (25440, 40), (25600, 40), (26080, 41), (160000, 250)])
def test_every_four_frames_are_a_token_and_no_token_is_padding(encoder, n_samples, time):
    noise = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    for layer, tokens in encoder.encode(noise, LAYERS).items():
        assert tokens.patches.shape == (1, time, 1, 48), layer
        assert tokens.special is None


def test_a_clip_without_four_frames_is_refused(encoder):
    with pytest.raises(DataError, match="479 samples at 16000 Hz is too short .* needs 480 .30 ms"):
        encoder.encode(np.zeros((1, 479), np.float32))


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


def test_digital_silence_is_finite(encoder):
    tokens = encoder.encode(np.zeros((1, 16000), np.float32), LAYERS)
    assert all(np.isfinite(one.patches).all() for one in tokens.values())


@pytest.mark.parametrize(
    ("file", "depth", "heads"), [("keys.json", 12, 12), ("keys_06B.json", 32, 16), ("keys_12B.json", 40, 24)]
)
def test_the_official_checkpoints_fit(file, depth, heads):
    official = json.loads((GOLDEN / file).read_text())
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in official["keys"].items()}
    state["init_bn.1.num_batches_tracked"] = torch.empty((), dtype=torch.int64, device="meta")
    model = network(state, {}, where=file, num_heads=None)
    assert (len(model.blocks), model.blocks[0].attn.heads) == (depth, heads)
    assert len(model.state_dict()) == official["n_keys"] - 2  # the front end's window and filter bank


def test_parameters_may_repeat_the_checkpoints_configuration_and_not_contradict_its_positions(encoder, audio):
    repeated = load(num_heads=4, target_length=160).encode(audio)["final"].patches
    assert np.array_equal(repeated, encoder.encode(audio)["final"].patches)
    with pytest.raises(PluginError, match="target_length is 1008; this checkpoint has positions for 160 frames"):
        load(target_length=1008)


def test_heads_that_neither_the_checkpoint_nor_its_width_tells_must_be_given():
    with pytest.raises(ValueError, match=r"num_heads is needed for tokens of 48 numbers: .* 24 for 1536"):
        network(content()["model"], {}, where="a.pt", num_heads=None)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1, :16000], [0]) == []
    assert ran(encoder, audio[:1, :16000], [2]) == [1, 2]
    assert ran(encoder, audio[:1, :16000], ["final"]) == [1, 2, 3]


def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals):
    def build(state):
        check_front_end(state, {}, "a.pt")
        return network(state, {}, where="a.pt", num_heads=4)

    check_refusals(build, content()["model"])


@pytest.mark.parametrize("name", ["front_end.0.mel_scale.fb", "front_end.0.spectrogram.window"])
def test_another_front_end_is_refused(name):
    state = content()["model"]
    state[name] = state[name] * 1.01
    with pytest.raises(DataError, match=rf"a\.pt was trained with another front end than Dasheng's own: {name}"):
        check_front_end(state, {}, "a.pt")
    with pytest.raises(DataError, match="another front end than Dasheng's own: hop_size = 320"):
        check_front_end(content()["model"], {"hop_size": 320, "n_mels": 64}, "a.pt")


@encoder_checks(load)
def test_conforms(check):
    check()
