"""ECHO, against what the authors' code gave on a small network with weights by formula, at several sample rates.

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
from asdcore_plugins.nn.echo import network, places
from benchmarks.hollow_checkpoints import sized

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "echo"
EXPECTED = GOLDEN / "expected_other.npz"
SEED = 41
RATES = {16000: 18000, 25600: 20480}
WAVES = (SEED, RATES[16000], 16000)
LAYERS = [0, 1, 2, 3, "final", "utterance"]
HEADS = 4


def load(file="model.safetensors", **parameters):
    return asdcore.load_encoder("echo", checkpoint=GOLDEN / file, **{"num_heads": HEADS} | parameters)


at_every_rate = pytest.mark.parametrize("case", RATES, indirect=True, scope="module")


def tokens_of(parts):
    """(patches, special) -> (n_clips, n_bands, 1 + patches, dim), as the authors have them."""
    patches, special = (np.asarray(part) for part in parts)
    return np.concatenate([special[:, :, None], patches.swapaxes(1, 2)], axis=2)


def vectors(tokens):
    """The mean over time of the layer "utterance": the authors' utterance embedding."""
    return tokens["utterance"].patches.mean(axis=1).reshape(len(tokens["utterance"].patches), -1)


@at_every_rate
def test_the_front_end_equals_the_authors(case):
    encoder, audio, expected = case
    gap = np.abs(encoder.front_end(torch.from_numpy(audio)).numpy().swapaxes(1, 2) - expected["spec"])
    assert gap.max() < 3e-3
    assert np.quantile(gap, 0.999) < 2e-5


@at_every_rate
def test_a_band_has_the_authors_code_of_its_place(case):
    encoder, _, expected = case
    found = places(expected["spec"].shape[1], encoder.sample_rate * 25 // 1000, 32)
    assert np.abs(np.array(found) - expected["freq_pos_emb"]).max() < 2e-6


@at_every_rate
@pytest.mark.parametrize("file", ["model.safetensors", "echo.pth", ""], ids=["safetensors", "pth", "folder"])
def test_every_layer_equals_the_authors_from_their_spectrogram(case, file):
    encoder, _, expected = case
    found = load(file, sample_rate=encoder.sample_rate).tokens(
        torch.from_numpy(expected["spec"].swapaxes(1, 2).copy()), LAYERS
    )
    assert list(encoder.layers) == LAYERS
    names = {0: "layer_00_input", 1: "layer_01", 2: "layer_02", 3: "layer_03", "final": "final_tokens"}
    for layer, name in names.items():
        # All tokens, and tight enough to tell an epsilon of 1e-6 from 1e-5 in them.
        assert np.abs(tokens_of(found[layer]) - expected[name]).max() < 5e-6, layer
    assert np.abs(found["utterance"][0].numpy().reshape(2, -1) - expected["utterance"]).max() < 5e-6


@at_every_rate
def test_the_vector_of_a_clip_is_the_authors_from_the_waveform(case):
    encoder, audio, expected = case
    assert np.abs(vectors(encoder.encode(audio)) - expected["utterance"]).max() < 1e-4


@at_every_rate
def test_the_epsilon_of_the_last_norm_can_be_that_of_the_other_example(case):
    encoder, _, expected = case
    other = load(sample_rate=encoder.sample_rate, norm_eps=1e-6)
    found = other.tokens(torch.from_numpy(expected["spec"].swapaxes(1, 2).copy()), ["utterance"])["utterance"][0]
    assert np.abs(found.numpy().reshape(2, -1) - expected["utterance_norm_eps1e-6"]).max() < 5e-6
    assert np.abs(found.numpy().reshape(2, -1) - expected["utterance"]).max() > 5e-6


@pytest.mark.parametrize(
    ("name", "rate", "n_samples", "read_as"),
    [
        ("short_16000", 16000, 9000, 16000),
        ("short_25600", 25600, 9000, 25600),
        ("tiny_16000", 16000, 880, 16000),
        ("sr4000", 16000, 12000, 4000),
        ("sr22050", 16000, 18000, 22050),
        ("sr44100", 16000, 18000, 44100),
    ],
)
def test_any_sample_rate_and_length_is_heard_as_the_authors_do(expected, wave, name, rate, n_samples, read_as):
    clips = wave(SEED, RATES[rate], rate)[:, :n_samples]
    assert np.abs(vectors(load(sample_rate=read_as).encode(clips)) - expected[f"utterance_{name}"]).max() < 1e-4


def test_a_long_clip_is_heard_in_pieces_that_may_overlap_as_the_authors_do(encoder, expected, wave):
    found = encoder.encode(wave(SEED, 400000, 16000), ["final", "utterance"])
    assert np.abs(vectors(found) - expected["utterance_long_16000"]).max() < 1e-4
    segments = found["final"].patches[0].reshape(250, -1)
    assert np.abs(segments[:, :32] - expected["segment_features_long_16000_clip0_first_32_channels"]).max() < 1e-4


@pytest.mark.parametrize(("frames", "time"), [(2000, 125), (2001, 250), (4000, 250)])
def test_a_clip_as_long_as_the_table_is_one_piece(encoder, frames, time):
    noise = np.random.default_rng(0).standard_normal((1, 400 + (frames - 1) * 160)).astype(np.float32)
    assert encoder.encode(noise, [0])[0].patches.shape == (1, time, 7, 32)


def test_silence_has_the_authors_value_and_is_finite(encoder, expected):
    silence = np.zeros((2, 9000), np.float32)
    spectrogram = encoder.front_end(torch.from_numpy(silence))
    # The one place that tells the 1e-9 below the logarithm from FISHER's 1e-10.
    assert np.abs(spectrogram.numpy() - expected["silence_spec_value"]).max() < 1e-5
    assert np.abs(vectors(encoder.encode(silence)) - expected["utterance_silence_16000"]).max() < 5e-6


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize("rate", [4000, 16000, 48000])
def test_a_clip_without_a_whole_frame_is_refused(rate):
    needed = 25 * rate // 1000
    encoder = load(sample_rate=rate)
    assert encoder.encode(np.zeros((1, needed), np.float32), [0])[0].patches.shape[1] == 1
    with pytest.raises(DataError, match=rf"{needed - 1} samples at {rate} Hz is too short .* needs {needed} .25 ms"):
        encoder.encode(np.zeros((1, needed - 1), np.float32))


@pytest.mark.parametrize(("size", "heads"), [("tiny", 3), ("small", 6)])
def test_the_official_checkpoints_fit(size, heads):
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in sized("echo/keys", size).items()}
    model = network({"encoder": state, "model_type": size}, where=size)
    assert (len(model.blocks), model.blocks[0].attn.heads, len(model.state_dict())) == (12, heads, 150)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [2]) == [1, 2]
    assert ran(encoder, audio[:1], ["utterance"]) == [1, 2, 3]


def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals):
    state = load_file(GOLDEN / "model.safetensors")
    check_refusals(lambda changed: network(changed, where="a.pt", num_heads=HEADS), state)


@pytest.mark.parametrize("file", ["fisher/model.pt", "dasheng/checkpoint.pt", "beats/checkpoint_pretrained.pt"])
def test_a_checkpoint_of_another_encoder_is_refused(file):
    with pytest.raises(DataError, match="read as ECHO, has no tensor 'patch_embed.proj.weight'; it holds '"):
        load(GOLDEN.parent / file)


def test_patches_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"a\.pt has patches of \(16, 16\) .bins, frames., where ECHO has \(32, 16\)"):
        network(torch.load(GOLDEN.parent / "passt" / "checkpoint.pt", weights_only=True), where="a.pt")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sample_rate": 99}, "sample_rate is 99; allowed are whole numbers of Hz from 100"),
        ({"num_heads": None}, "num_heads is needed for tokens of 32 numbers: .* 3 for 192, 6 for 384"),
        ({"norm_eps": 0}, "norm_eps is 0; allowed are numbers above 0"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused(parameters, said):
    with pytest.raises(PluginError, match=said):
        load(**parameters)


@encoder_checks(lambda: load(sample_rate=25600))
def test_conforms(check):
    check()
