"""FISHER, against what the authors' code gave on a small network with weights by formula, at several sample rates.

Two stages: the waveform to the front end, and the stored spectrogram to every layer; then once from end to end.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.eat import network as eat_network
from asdcore_plugins.nn.fisher import network
from benchmarks.hollow_checkpoints import sized

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "fisher"
EXPECTED = GOLDEN / "expected_other.npz"
SEED = 31
RATES = {16000: 22000, 25600: 25600}
WAVES = (SEED, RATES[16000], 16000)
LAYERS = [0, 1, 2, 3, "utterance"]


def load(**parameters):
    return asdcore.load_encoder("fisher", checkpoint=GOLDEN / "model.pt", **parameters)


at_every_rate = pytest.mark.parametrize("case", RATES, indirect=True, scope="module")


def content():
    return torch.load(GOLDEN / "model.pt", weights_only=True)


def items(parts):
    """(patches, special) -> (n_clips * n_bands, 1 + patches, dim), as the authors have them."""
    patches, special = (np.asarray(part) for part in parts)
    n_clips, n_bands, dim = special.shape
    apart = patches.reshape(n_clips, patches.shape[1], n_bands, -1, dim).swapaxes(1, 2)
    tokens = np.concatenate([special[:, :, None], apart.reshape(n_clips, n_bands, -1, dim)], axis=2)
    return tokens.reshape(n_clips * n_bands, -1, dim)


def vectors(tokens):
    """The mean over time of the layer "utterance": the authors' embedding."""
    return tokens["utterance"].patches.mean(axis=1).reshape(len(tokens["utterance"].patches), -1)


@at_every_rate
def test_the_front_end_equals_the_authors(case):
    encoder, audio, expected = case
    gap = np.abs(encoder.front_end(torch.from_numpy(audio)).numpy() - expected["spec"])
    assert gap.max() < 1e-3
    assert np.quantile(gap, 0.999) < 3e-5


@at_every_rate
def test_every_layer_equals_the_authors_from_their_spectrogram(case):
    encoder, _, expected = case
    found = encoder.tokens(torch.from_numpy(expected["spec"]), LAYERS)
    assert list(encoder.layers) == LAYERS
    for layer in (0, 1, 2, 3):
        right = expected[f"layer_{layer:02d}" if layer else "layer_00_input"]
        # Tight enough to tell a LayerNorm epsilon of 1e-6 from 1e-5.
        assert np.abs(items(found[layer]) - right).max() < 5e-6, layer
    assert np.abs(found["utterance"][0].numpy().reshape(2, -1) - expected["embedding"]).max() < 5e-6


@at_every_rate
def test_the_vector_of_a_clip_is_the_authors_from_the_waveform(case):
    encoder, audio, expected = case
    assert np.abs(vectors(encoder.encode(audio)) - expected["embedding"]).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "rate", "n_samples", "read_as"),
    [
        ("short_16000", 16000, 9000, 16000),
        ("short_25600", 25600, 9000, 25600),
        ("sr4000", 16000, 12000, 4000),
        ("sr22050", 16000, 22000, 22050),
        ("sr44100", 16000, 22000, 44100),
    ],
)
def test_any_sample_rate_and_length_is_heard_as_the_authors_do(expected, wave, name, rate, n_samples, read_as):
    clips = wave(SEED, RATES[rate], rate)[:, :n_samples]
    assert np.abs(vectors(load(sample_rate=read_as).encode(clips)) - expected[f"embedding_{name}"]).max() < 1e-4


def test_a_longer_clip_is_cut_as_in_the_authors_example_or_heard_in_windows(expected, wave):
    clips = wave(SEED, 170000, 16000)
    cut = load(beyond="cut")
    assert np.abs(vectors(cut.encode(clips)) - expected["embedding_long_16000_cut1024"]).max() < 5e-4
    assert cut.hears == (400 + 1024 * 160 - 1) / 16000
    whole = load().encode(clips, [3, "utterance"])
    assert whole[3].patches.shape == (2, 128, 12, 32)
    assert np.abs(vectors(whole) - expected["embedding_long_16000_cut1024"]).max() > 1e-3


def test_padding_is_that_of_the_authors_benchmark(expected, audio):
    found = vectors(load(padded=True).encode(audio))
    assert np.abs(found - expected["embedding_rmis_pad1024_16000"]).max() < 1e-4


def test_silence_has_the_authors_value_and_is_finite(encoder, expected):
    silence = np.zeros((2, 9000), np.float32)
    spectrogram = encoder.front_end(torch.from_numpy(silence))
    # The one place that tells the 1e-10 below the logarithm from ECHO's 1e-9.
    assert np.abs(spectrogram.numpy() - expected["silence_spec_value"]).max() < 1e-5
    assert np.abs(vectors(encoder.encode(silence)) - expected["embedding_silence_16000"]).max() < 5e-6


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize("rate", [4000, 16000, 48000])
def test_a_clip_without_a_whole_patch_is_refused(rate):
    needed = 25 * rate // 1000 + 15 * (10 * rate // 1000)
    encoder = load(sample_rate=rate)
    assert encoder.encode(np.zeros((1, needed), np.float32), [0])[0].patches.shape[1] == 1
    with pytest.raises(DataError, match=rf"{needed - 1} samples at {rate} Hz is too short .* needs {needed} .175 ms"):
        encoder.encode(np.zeros((1, needed - 1), np.float32))


@pytest.mark.parametrize(("size", "heads"), [("tiny", 3), ("mini", 4), ("small", 6)])
def test_the_official_checkpoints_fit(size, heads):
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in sized("fisher/keys", size).items()}
    model = network({"cfg": {"model": {"band_width": 100}}, "model": state}, where=size)
    assert (len(model.blocks), model.blocks[0].attn.heads, len(model.state_dict())) == (12, heads, 150)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [2]) == [1, 2]
    assert ran(encoder, audio[:1], ["utterance"]) == [1, 2, 3]


def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals):
    whole = content()
    check_refusals(lambda state: network({**whole, "model": state}, where="a.pt"), whole["model"])


@pytest.mark.parametrize(
    ("place", "change", "found"),
    [
        ((), {"layer_norm_first": True}, "layer_norm_first = True instead of False"),
        ((), {"band_width": 64}, "band_width = 64 instead of 100"),
        (("modalities", "image"), {"num_extra_tokens": 2}, "num_extra_tokens = 2 instead of 1"),
    ],
)
def test_a_configuration_that_no_official_checkpoint_has_is_refused(place, change, found):
    whole = copy.deepcopy(content())
    config = whole["cfg"]["model"]
    for key in place:
        config = config[key]
    config |= change
    with pytest.raises(DataError, match=rf"a\.pt has a cfg unlike that of every official checkpoint: {found}"):
        network(whole, where="a.pt")


def test_a_checkpoint_of_eat_is_refused_and_eat_refuses_one_of_fisher():
    eat = torch.load(GOLDEN.parent / "eat" / "fairseq_pretrain.pt", weights_only=True)
    with pytest.raises(DataError, match=r"a\.pt .*cfg"):
        network(eat, where="a.pt")
    with pytest.raises(DataError, match=r"a\.pt is a checkpoint of FISHER, not of EAT\. Name the encoder fisher"):
        eat_network(content(), where="a.pt", num_heads=4)


@pytest.mark.parametrize("other", [{}, {"cfg": {}}, {"cfg": {"model": 1}, "model": {}}, [1]])
def test_another_kind_of_checkpoint_is_refused(other):
    with pytest.raises(DataError, match=r"a\.pt.* holds no dictionary"):
        network(other, where="a.pt")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sample_rate": 99}, "sample_rate is 99; allowed are whole numbers of Hz from 100"),
        ({"sample_rate": 25600.0}, r"sample_rate is 25600\.0; allowed"),
        ({"target_length": 15}, "target_length is 15; this checkpoint has positions for 16 to 1056 frames"),
        ({"target_length": 1057}, "target_length is 1057; .* 16 to 1056 frames"),
        ({"num_heads": 5}, "num_heads is 5, which does not divide the 32 numbers"),
        ({"beyond": "wrap"}, "beyond is 'wrap'; allowed are 'windows' and 'cut'"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused(parameters, said):
    with pytest.raises(PluginError, match=said):
        load(**parameters)


@encoder_checks(lambda: load(sample_rate=25600))
def test_conforms(check):
    check()
