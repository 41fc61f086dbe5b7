"""How encoders on torch run: which layers they know, what they refuse, in what portions clips go through."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from asdcore import DataError, PluginError
from asdcore.data.features.exact_features import to_16_bits
from asdcore_plugins.nn.running.layers import checked_layers
from asdcore_plugins.nn.running.run import TorchEncoder


class Doubled(TorchEncoder):
    """Frames of 4 samples, a linear map, and a special token: the mean."""

    name = "doubled"
    sample_rate = 8000
    layers = (0, 1, "final")

    def __init__(self, **options):
        torch.manual_seed(0)
        super().__init__(nn.Linear(4, 4), **options)
        self.portions = []

    def front_end(self, audio):
        self.portions.append((len(audio), audio.dtype, torch.is_autocast_enabled(audio.device.type)))
        return audio.unfold(1, 4, 4)

    def tokens(self, spectrogram, layers):
        assert torch.is_inference_mode_enabled()
        x = self.model(spectrogram)
        return {layer: (x[:, :, None], x.mean(1, keepdim=True) if layer == "final" else None) for layer in layers}


def audio(n_clips=3, n_samples=16, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((n_clips, n_samples)).astype(dtype)


def test_clips_go_through_one_at_a_time_on_the_cpu_and_come_back_together():
    encoder = Doubled()
    tokens = encoder.encode(audio(), [1, "final"])
    assert list(tokens) == [1, "final"]
    assert tokens[1].patches.shape == (3, 4, 1, 4)
    assert tokens[1].special is None
    assert tokens["final"].special.shape == (3, 1, 4)
    assert tokens[1].patches.dtype == tokens["final"].special.dtype == np.float32
    assert encoder.portions == [(1, torch.float32, False)] * 3


def test_the_two_halves_make_the_whole():
    encoder, clips = Doubled(), [audio(1, n) for n in (16, 16, 24, 16)]
    prepared = [encoder.prepare(clip) for clip in clips]
    halves = encoder.encode_prepared(prepared, [1, "final"])
    for clip, found in zip(clips, halves, strict=True):
        whole = encoder.encode(clip, [1, "final"])
        for layer, tokens in whole.items():
            assert np.array_equal(found[layer].patches, tokens.patches)
        assert np.array_equal(found["final"].special, whole["final"].special)


def test_the_last_layer_is_the_default_and_each_comes_once():
    encoder = Doubled()
    assert list(encoder.encode(audio())) == ["final"]
    assert list(encoder.encode(audio(), [1, "final", 1])) == [1, "final"]


def test_audio_of_another_type_is_converted_and_not_written_to():
    encoder, clips = Doubled(), audio(dtype=np.float64)
    clips.flags.writeable = False
    assert np.array_equal(encoder.encode(clips)["final"].patches, encoder.encode(audio())["final"].patches)


@pytest.mark.parametrize("shape", [(0, 16), (2, 0), (16,), (1, 2, 16)])
def test_audio_without_sound_is_refused(shape):
    with pytest.raises(DataError, match=r"audio of shape .* holds no sound"):
        Doubled().encode(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_audio_that_is_not_finite_is_refused(value):
    clips = audio()
    clips[1, 3] = value
    with pytest.raises(DataError, match="not finite"):
        Doubled().encode(clips)


def test_autocast_changes_the_network_and_not_the_front_end():
    plain, half = Doubled(), Doubled(autocast="bfloat16")
    expected, found = plain.encode(audio())["final"].patches, half.encode(audio())["final"].patches
    assert half.portions == plain.portions
    assert found.dtype == np.float32
    assert 1e-4 < np.abs(found - expected).max() < 0.05


def test_a_precision_or_device_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="autocast is 'int8'; allowed are bfloat16, float16"):
        Doubled(autocast="int8")
    for device in ("abacus", "cuda:99"):
        with pytest.raises(ValueError, match=f"device '{device}' cannot be used .*; 'cpu' always can"):
            Doubled(device=device)


def test_an_encoder_can_be_copied_and_sent_to_another_process():
    encoder = Doubled()
    expected = encoder.encode(audio())["final"].patches
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert np.array_equal(twin.encode(audio())["final"].patches, expected)


def test_a_layer_has_only_its_own_name():
    assert checked_layers([1, "final", 1], (0, 1, "final"), "it") == [1, "final"]
    for asked in (2, True, 1.0, "1", "Final", None):
        with pytest.raises(ValueError, match=r"it has no layer .*; its layers are \[0, 1, 'final'\]"):
            checked_layers([0, asked], (0, 1, "final"), "it")
    with pytest.raises(ValueError, match="it was asked for no layer"):
        checked_layers([], (0, 1), "it")


def test_an_exact_encoder_computes_in_float64_from_the_waveform_to_the_tokens():
    plain, exact = Doubled(), Doubled(exact=True)
    tokens = exact.encode(audio(), [1, "final"])
    assert (plain.exact, exact.exact) == (False, True)
    assert exact.portions == [(1, torch.float64, False)] * 3
    assert exact.model.weight.dtype == torch.float64
    assert tokens[1].patches.dtype == tokens["final"].special.dtype == np.float64
    expected = audio().astype(np.float64).reshape(3, 4, 4) @ exact.model.weight.numpy().T + exact.model.bias.numpy()
    assert np.abs(tokens[1].patches[:, :, 0] - expected).max() < 1e-13
    assert np.abs(plain.encode(audio(), [1])[1].patches[:, :, 0] - expected).max() > 1e-13


def test_audio_has_24_bits_for_an_exact_encoder_too():
    clips = audio(dtype=np.float64) + 1e-12
    exact = Doubled(exact=True)
    found, expected = exact.encode(clips)["final"].patches, exact.encode(clips.astype(np.float32))["final"].patches
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("exact", [1, "true", None])
def test_exact_is_true_or_false(exact):
    with pytest.raises(ValueError, match=f"exact is {exact!r}; allowed are true and false"):
        Doubled(exact=exact)


def test_exact_and_autocast_do_not_go_together():
    with pytest.raises(ValueError, match="exact is true, .* and autocast is 'bfloat16': leave one out"):
        Doubled(exact=True, autocast="bfloat16")


class Narrowing(Doubled):
    """Its tokens are computed, or come out, in float32."""

    how = "result"

    def tokens(self, spectrogram, layers):
        if self.how == "error":
            spectrogram = spectrogram.float()
        if self.how == "shape":
            spectrogram = spectrogram[..., :3]
        parts = super().tokens(spectrogram, layers)
        return {layer: (patches, None if token is None else token.float()) for layer, (patches, token) in parts.items()}


@pytest.mark.parametrize("how", ["result", "error"])
def test_a_network_that_is_not_float64_throughout_is_refused(monkeypatch, how):
    monkeypatch.setattr(Narrowing, "how", how)
    Narrowing().encode(audio())
    with pytest.raises(PluginError, match=r"exact = true is not possible for doubled: .*\(.+\)\. Instead, leave exact"):
        Narrowing(exact=True).encode(audio())


def test_an_error_that_has_nothing_to_do_with_types_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(Narrowing, "how", "shape")
    with pytest.raises(RuntimeError, match="shape"):
        Narrowing(exact=True).encode(audio())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_features_of_the_cpu():
    features = [
        to_16_bits(Doubled(exact=True, device=device).encode(audio(), [1])[1].patches) for device in ("cpu", "cuda")
    ]
    assert np.array_equal(*features)
