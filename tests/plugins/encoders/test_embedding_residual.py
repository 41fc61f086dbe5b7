"""Tokens of the near channel less a share of the far one's, by the encoders that a list names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import asdcore
from asdcore import DataError, PluginError
from asdcore.compute.encoding.held_whole import too_long
from asdcore.compute.encoding.requests import Request
from asdcore.contract.source_code.files import source_files
from asdcore.contract.source_code.modules import module_file
from asdcore.testing import checks

RATE = 16000
IN_BLOCKS = checks("encoder")["check_encoder_in_blocks"]


def clips(n=2, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, size=(n, 2, 2 * RATE)).astype(np.float32)


@pytest.mark.parametrize("of", ["logmel", {"name": "melspec", "n_mels": 32}])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_is_the_difference_of_both_channels(of, alpha):
    table = {"name": of} if isinstance(of, str) else of
    alone, audio = asdcore.load_encoder(**table), clips()
    near, far = (alone.encode(np.ascontiguousarray(audio[:, place]), [0])[0].patches for place in (0, 1))
    residual = asdcore.load_encoder("embedding_residual", of=of, alpha=alpha)
    assert (residual.sample_rate, residual.channels, list(residual.layers)) == (RATE, 2, [0])
    patches = residual.encode(audio)[0].patches
    assert patches.dtype == np.float32
    np.testing.assert_array_equal(patches, near - np.float32(alpha) * far)


@pytest.mark.parametrize("name", ["beats", "eat", "dasheng"])
def test_of_a_network_every_layer_and_special_token_is_a_difference(name, golden_parameters):
    parameters = golden_parameters(name)
    checkpoint = parameters.pop("checkpoint")
    alone, audio = asdcore.load_encoder(name, checkpoint=checkpoint, **parameters), clips(1)
    residual = asdcore.load_encoder("embedding_residual", of={"name": name, **parameters}, checkpoint=checkpoint)
    layers, half = [alone.layers[0], alone.layers[-1]], np.float32(0.5)
    near, far = (alone.encode(np.ascontiguousarray(audio[:, place]), layers) for place in (0, 1))
    tokens = residual.encode(audio, layers)
    assert residual.model is not None
    for layer in layers:
        np.testing.assert_array_equal(tokens[layer].patches, near[layer].patches - half * far[layer].patches)
        assert (tokens[layer].special is None) == (near[layer].special is None)
        if near[layer].special is not None:
            np.testing.assert_array_equal(tokens[layer].special, near[layer].special - half * far[layer].special)


@pytest.mark.parametrize(
    "of",
    [
        "logmel",
        {"name": "melspec", "seconds": 10},
        {"name": "beats", "window_seconds": 2.5},
        {"name": "dasheng"},
        {"name": "eat"},
        {"name": "eat", "beyond": "cut"},
    ],
)
def test_of_an_encoder_that_reads_blocks_it_reads_blocks_of_both_channels(of, golden_parameters):
    name = of if isinstance(of, str) else of["name"]
    given = {} if name in ("logmel", "melspec") else golden_parameters(name)
    checkpoint = given.pop("checkpoint", None)
    table = {"name": name, **given, **({} if isinstance(of, str) else of)}
    residual = asdcore.load_encoder("embedding_residual", of=table, checkpoint=checkpoint)
    assert residual.encode_blocks is not None
    assert residual.longest is None
    assert (residual.hears is None) == (table.get("beyond") != "cut")
    IN_BLOCKS(lambda: residual)


def test_of_a_network_that_hears_a_clip_at_once_it_has_that_bound(golden_parameters):
    alone = asdcore.load_encoder("beats", **golden_parameters("beats"))
    residual = asdcore.load_encoder("embedding_residual", of="beats", **golden_parameters("beats"))
    assert residual.encode_blocks is None
    assert residual.longest == alone.longest
    request = Request("stereo", "{}", "embedding_residual", "{}", ())
    way = 'In the portfolio, of = { name = "beats", window_seconds = 10 } lets its encoder hear windows of 10 s; or'
    assert way in too_long(request, residual, residual.longest + 1.0)


def test_of_an_exact_network_tokens_are_float64(golden_parameters):
    residual = asdcore.load_encoder("embedding_residual", of="beats", exact=True, **golden_parameters("beats"))
    assert residual.exact
    assert residual.encode(clips(1))[residual.layers[-1]].patches.dtype == np.float64


def test_what_both_microphones_hear_alike_goes_with_the_share():
    audio = clips()
    audio[:, 1] = audio[:, 0]
    alone = asdcore.load_encoder("melspec").encode(audio[:, 0], [0])[0].patches
    residual = asdcore.load_encoder("embedding_residual", of="melspec", alpha=0.75).encode(audio)[0].patches
    np.testing.assert_allclose(residual, 0.25 * alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"of": "coherence"}, "of must be one of beats, dasheng, eat, logmel, melspec, got 'coherence'"),
        ({"of": {}}, "of must be one of beats, dasheng, eat, logmel, melspec, got 'None'"),
        ({"of": "melspec", "alpha": 1.5}, "alpha must be a number from 0 to 1, got 1.5"),
        ({"of": "beats"}, "needs a checkpoint: write checkpoint = ... beside of"),
        ({"of": {"name": "logmel", "bands": 3}}, "a parameter of 'of' must be one of sample_rate, n_mels"),
        ({"of": {"name": "beats", "checkpoint": "x.pt"}}, "a parameter of 'of' must be one of window_seconds"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(PluginError, match=message):
        asdcore.load_encoder("embedding_residual", **parameters)


@pytest.mark.parametrize("parameters", [{"exact": True}, {"autocast": "bfloat16"}])
def test_what_only_a_network_has_is_refused(parameters):
    with pytest.raises(PluginError, match="of names an encoder without weights: leave out checkpoint, autocast"):
        asdcore.load_encoder("embedding_residual", of="melspec", **parameters)


def test_one_channel_is_refused():
    with pytest.raises(DataError, match="embedding_residual reads a near and a far channel"):
        asdcore.load_encoder("embedding_residual", of="melspec").encode(clips()[:, 0])


def test_the_encoders_that_may_be_subtracted_count_as_its_source():
    _, files = source_files(module_file("asdcore_plugins.encoders.embedding_residual"))
    names = {Path(str(file)).name for file in files}
    assert {"embedding_residual.py", "beats.py", "eat.py", "dasheng.py", "logmel.py", "melspec.py"} <= names
