"""Long recordings: networks read them piece by piece with the tokens of the whole, or say how much they take."""

from __future__ import annotations

import pytest
import torch
import transformers

import asdcore
from asdcore.testing import checks
from asdcore_plugins.encoders import speech
from asdcore_plugins.nn.mobilenet import MobileNetV3
from asdcore_plugins.nn.running.memory import seconds_that_fit

IN_BLOCKS = checks("encoder")["check_encoder_in_blocks"]

SPEECH = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture
def golden(golden_parameters):
    """A function that builds an encoder of a small checkpoint."""
    return lambda name, **parameters: asdcore.load_encoder(name, **golden_parameters(name), **parameters)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("audiomae", {"beyond": "cut"}),
        ("beats", {"window_seconds": 2.5}),
        ("ced_audio", {}),
        ("ced_audio", {"beyond": "windows"}),
        ("dasheng", {"exact": True}),
        ("eat", {"beyond": "cut"}),
        ("echo", {"beyond": "windows"}),
        ("fisher", {}),
        ("passt", {"beyond": "cut"}),
    ],
)
def test_blocks_are_the_whole_whatever_is_done_with_a_long_clip(golden, name, parameters):
    encoder = golden(name, **parameters)
    assert encoder.encode_blocks is not None
    assert getattr(encoder, "longest", None) is None
    IN_BLOCKS(lambda: encoder)


def test_convolutions_and_speech_hear_windows_if_they_are_told_to(tmp_path, random_state):
    torch.save(random_state(MobileNetV3(0.1, 10)), tmp_path / "mn01.pt")
    transformers.HubertModel(transformers.HubertConfig(**SPEECH)).save_pretrained(tmp_path / "hubert")
    for name, checkpoint in (("efficientat", tmp_path / "mn01.pt"), ("hubert", tmp_path / "hubert")):
        encoder = asdcore.load_encoder(name, checkpoint=str(checkpoint), window_seconds=5)
        IN_BLOCKS(lambda encoder=encoder: encoder)
        whole = asdcore.load_encoder(name, checkpoint=str(checkpoint))
        assert whole.encode_blocks is None
        assert whole.longest == {"efficientat": 244.0, "hubert": 1562.0}[name]


def test_what_is_heard_at_once_has_a_bound(golden):
    assert 100.0 < golden("beats").longest < 1000.0
    assert [golden("echo", sample_rate=rate).longest for rate in (8000, 16000, 48000)] == [1200.0, 1200.0, 400.0]
    assert golden("fisher", beyond="cut").longest == 1200.0
    assert golden("fisher").longest is None


@pytest.mark.parametrize("seconds", [0, -1, "10", True, float("nan")])
def test_a_window_that_cannot_be_is_refused(golden, seconds):
    with pytest.raises(asdcore.PluginError, match="window_seconds must be a number above 0, got"):
        golden("beats", window_seconds=seconds)


def test_a_window_that_memory_does_not_allow_is_refused_with_what_it_does(golden):
    allowed = golden("beats").longest
    assert golden("beats", window_seconds=allowed).encode_blocks is not None
    more = (
        rf"window_seconds is {allowed + 1:g}; memory allows windows of {allowed:g} s .* Write window_seconds = 10, or"
    )
    with pytest.raises(asdcore.PluginError, match=more):
        golden("beats", window_seconds=allowed + 1)


@pytest.mark.parametrize("kind", ["WavLM", "Hubert", "Data2VecAudio"])
def test_the_base_models_of_speech_take_the_clips_of_the_challenge(kind):
    config = getattr(transformers, f"{kind}Config")()
    bytes_taken = speech._bytes(config, 16000, attends_in_full=kind == "WavLM")
    assert seconds_that_fit(torch.device("cpu"), *bytes_taken) >= 18.0
    assert (bytes_taken[1] > 0) == (kind == "WavLM")


@pytest.mark.parametrize("beyond", ["cut", "", None])
def test_echo_hears_pieces_or_windows(golden, beyond):
    with pytest.raises(asdcore.PluginError, match="beyond is .*; allowed are 'pieces' and 'windows'"):
        golden("echo", beyond=beyond)
