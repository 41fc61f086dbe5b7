"""CED, Consistent Ensemble Distillation, against what the authors' code gave on a small network, in both forms of file.

Two stages: the waveform to the front end, and the stored spectrogram to every layer; then once from end to end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.ced_audio import network
from benchmarks.hollow_checkpoints import sized

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "ced"
EXPECTED = GOLDEN / "expected_short.npz"
SHORT = 22000
LAYERS = [0, 1, 2, 3, "final"]
FILES = ["hf", "hf/model.safetensors", "original.pt"]


def load(file="hf", **parameters):
    return asdcore.load_encoder("ced_audio", checkpoint=GOLDEN / file, **{"num_heads": 4} | parameters)


@pytest.fixture(scope="module")
def audio(wave):
    """Two clips, both with a stretch of digital silence."""
    clips = wave(51, 40000, 16000)
    clips[:, 9000:13000] = 0.0
    return clips


@pytest.fixture(scope="module")
def other():
    return dict(np.load(GOLDEN / "expected_other.npz"))


def pooled(tokens):
    """The mean over time and bands of the layer "final": the authors' embedding."""
    return tokens["final"].patches.mean(axis=(1, 2))


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio[:, :SHORT]))
    assert np.abs(found.numpy() - expected["mel_db"].swapaxes(1, 2)).max() < 3e-3
    normalized = encoder.model.norms["init_bn"](torch.from_numpy(expected["mel_db"]))
    assert np.abs(normalized.numpy() - expected["mel_bn"]).max() < 5e-6


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
@pytest.mark.parametrize("file", FILES)
def test_every_layer_equals_the_authors_from_their_spectrogram(expected, check_layers, file, clips):
    encoder = load(file)
    found = encoder.tokens(torch.from_numpy(expected["mel_db"][clips].swapaxes(1, 2).copy()), LAYERS)
    assert list(encoder.layers) == LAYERS
    # Their tokens are frequency-major.
    blocks = {layer: parts for layer, parts in found.items() if layer != "final"}
    check_layers(blocks, expected, 2e-5, clips=clips, band_first=True)
    check_layers({"final": found["final"]}, expected, 5e-6, names={"final": "final"}, clips=clips, band_first=True)
    assert np.abs(found["final"][0].numpy().mean(axis=(1, 2)) - expected["mean_pooled"][clips]).max() < 5e-6


def test_the_embedding_is_the_authors_from_the_waveform(encoder, expected, audio):
    assert np.abs(pooled(encoder.encode(audio[:, :SHORT])) - expected["mean_pooled"]).max() < 1e-4


def test_a_long_clip_is_heard_in_chunks_as_the_authors_do(encoder, other, audio):
    found = encoder.encode(audio)
    assert found["final"].patches.shape == (2, 20, 4, 48)
    # Theirs lie chunk by chunk, and in each frequency by frequency.
    theirs = other["long_final_hf"].reshape(2, 2, 4, 10, 48).swapaxes(2, 3).reshape(2, 20, 4, 48)
    assert np.abs(found["final"].patches - theirs).max() < 1e-4
    assert np.abs(pooled(found) - other["long_mean_pooled_hf"]).max() < 1e-4


def test_no_chunk_is_thrown_away_as_the_authors_do_when_none_needs_padding(encoder, other, wave):
    audio = wave(51, 51047, 16000)  # 320 frames
    found = encoder.encode(audio)["final"].patches
    assert found.shape == (2, 20, 4, 48)
    theirs = other["exact_multiple_mean_pooled_hf"]
    assert (
        np.abs(found[:, :10].mean(axis=(1, 2)) - theirs).max() < 1e-4 < np.abs(found.mean(axis=(1, 2)) - theirs).max()
    )


def test_a_long_clip_may_be_heard_in_windows_without_padding(audio):
    windows = load(beyond="windows")
    found = windows.encode(audio)["final"].patches
    assert found.shape == (2, 20, 4, 48)
    alone = windows.encode(audio[:, : 159 * 160])["final"].patches
    assert np.array_equal(found[:, :10], alone)


def test_one_patch_is_enough_and_silence_is_finite(encoder, other, audio):
    assert np.abs(pooled(encoder.encode(audio[:, :3000])) - other["tiny3000_mean_pooled"]).max() < 1e-4
    silence = np.zeros((1, SHORT), np.float32)
    assert np.abs(encoder.front_end(torch.from_numpy(silence)).numpy() - other["silence_mel_db_value"]).max() < 1e-3
    assert np.abs(pooled(encoder.encode(silence)) - other["silence_mean_pooled"]).max() < 1e-4
    assert encoder.encode(np.zeros((1, 2400), np.float32))["final"].patches.shape == (1, 1, 4, 48)
    with pytest.raises(DataError, match="2399 samples at 16000 Hz is too short .* needs 2400 .150 ms"):
        encoder.encode(np.zeros((1, 2399), np.float32))


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize(("size", "heads"), [("tiny", 3), ("mini", 4), ("small", 6), ("base", 12)])
def test_the_official_checkpoints_fit(size, heads):
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in sized("ced/keys", size).items()}
    model = network(state, where=size)
    assert (len(model.blocks), model.blocks[0].attn.heads, len(model.state_dict())) == (12, heads, 155)


def test_ten_seconds_are_62_by_4_tokens(tmp_path):
    state = load_file(GOLDEN / "hf" / "model.safetensors")
    state["encoder.time_pos_embed"] = torch.zeros(1, 48, 1, 63)
    torch.save(state, tmp_path / "a.pt")
    encoder = load(tmp_path / "a.pt")
    assert encoder.encode(np.zeros((1, 160000), np.float32))["final"].patches.shape == (1, 62, 4, 48)
    # The authors hear 1012 frames at once, though 63 patches are 1008.
    assert encoder.encode(np.zeros((1, 1011 * 160), np.float32), [0])[0].patches.shape == (1, 63, 4, 48)
    assert encoder.encode(np.zeros((1, 1012 * 160), np.float32), [0])[0].patches.shape == (1, 126, 4, 48)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1, :16000], [0]) == []
    assert ran(encoder, audio[:1, :16000], [2]) == [1, 2]
    assert ran(encoder, audio[:1, :16000], ["final"]) == [1, 2, 3]


@pytest.mark.parametrize("file", ["hf/model.safetensors", "original.pt"])
def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals, file):
    read = load_file if file.endswith("safetensors") else lambda path: torch.load(path, weights_only=True)
    state = {name: value for name, value in read(GOLDEN / file).items() if not name.startswith("outputlayer.")}
    check_refusals(lambda changed: network(changed, where="a.pt", num_heads=4), state)


def test_another_front_end_is_refused():
    state = torch.load(GOLDEN / "original.pt", weights_only=True)
    name = "front_end.0.mel_scale.fb"
    with pytest.raises(DataError, match=rf"a\.pt was trained with another front end than CED's own: {name}"):
        network(state | {name: state[name] * 1.01}, where="a.pt", num_heads=4)


def test_a_file_of_dasheng_is_refused():
    with pytest.raises(DataError, match=r"has patches of \(64, 4\) .* where CED has \(16, 16\)\. .* encoder dasheng"):
        load(GOLDEN.parent / "dasheng" / "checkpoint.pt", num_heads=None)


@pytest.mark.parametrize("file", ["passt/checkpoint.pt", "beats/checkpoint_pretrained.pt", "fisher/model.pt"])
def test_a_file_of_another_encoder_is_refused(file):
    with pytest.raises(
        DataError, match=r"read as CED, Consistent .* has no tensor encoder\.time_pos_embed or time_pos_"
    ):
        load(GOLDEN.parent / file)


def test_the_scorer_of_the_same_letters_is_named_where_the_two_are_confused():
    with pytest.raises(PluginError, match=r"No encoder is named 'ced'\. .*'ced_audio'"):
        asdcore.load_encoder("ced", checkpoint=GOLDEN / "hf")
    with pytest.raises(DataError, match="The scorer ced, cluster exit detection, is another thing"):
        network({}, where="a.pt")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"beyond": "cut"}, "beyond is 'cut'; allowed are 'chunks' and 'windows'"),
        ({"target_length": 15}, "target_length is 15; this checkpoint has positions for 16 to 175 frames"),
        ({"target_length": 176}, "target_length is 176; .* 16 to 175 frames"),
        ({"num_heads": None}, "num_heads is needed for tokens of 48 numbers: .* 3 for 192"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused(parameters, said):
    with pytest.raises(PluginError, match=said):
        load(**parameters)


@encoder_checks(load)
def test_conforms(check):
    check()
