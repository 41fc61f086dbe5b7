"""AST against the transformers library, with small random weights."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import asdcore
from asdcore import DataError
from asdcore.testing import checks

RATE = 16000
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def clips(n_clips, n_samples, seed=0):
    rng, time = np.random.default_rng(seed), np.arange(n_samples) / RATE
    tones = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 2000, (n_clips, 1)) * time)
    return (0.05 + tones + 0.05 * rng.standard_normal((n_clips, n_samples))).astype(np.float32)


def random_model(cls=transformers.ASTModel, **config):
    torch.manual_seed(0)
    model = cls(transformers.ASTConfig(**SMALL, **config)).eval()
    for name, value in model.named_parameters():  # zeros at first, which would hide what is added where
        if "token" in name or "position" in name:
            torch.nn.init.normal_(value)
    return model


def extractor(**settings):
    """Return the library's front end in its torch-only form: numpy, without torchaudio."""
    module = transformers.models.audio_spectrogram_transformer.feature_extraction_audio_spectrogram_transformer
    if module.is_speech_available():
        pytest.skip("torchaudio is installed, which changes the library's front end")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of its lowest bands is empty
        return transformers.ASTFeatureExtractor(**settings)


@pytest.fixture(scope="module")
def full_length(tmp_path_factory):
    """A narrow AST of the full length, and the folder it is saved in."""
    model, folder = random_model(), tmp_path_factory.mktemp("ast")
    model.save_pretrained(folder)
    return model, folder


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The folder of an AST that hears 34 frames."""
    folder = tmp_path_factory.mktemp("short")
    random_model(max_length=34, num_mel_bins=36).save_pretrained(folder)
    return folder


def test_every_layer_equals_the_librarys(full_length):
    model, folder = full_length
    encoder, audio = asdcore.load_encoder("ast", checkpoint=folder), clips(2, 5 * RATE)
    with torch.no_grad():
        expected = model(encoder.front_end(torch.from_numpy(audio)), output_hidden_states=True)
    assert (encoder.sample_rate, list(encoder.layers)) == (RATE, [0, 1, 2, "final"])
    tokens = encoder.encode(audio, encoder.layers)
    for layer in encoder.layers:
        theirs = expected.last_hidden_state if layer == "final" else expected.hidden_states[layer]
        # The library's patches are one band after the other, after the two special tokens.
        ours = np.concatenate(
            [tokens[layer].special, tokens[layer].patches.swapaxes(1, 2).reshape(2, 1212, 16)], axis=1
        )
        assert np.abs(ours - theirs.numpy()).max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("seconds", [0.025, 1, 10, 10.24, 12])
def test_the_spectrogram_is_the_librarys_without_torchaudio(seconds, full_length):
    audio = clips(2, int(seconds * RATE))
    audio[1, len(audio[1]) // 2 :] = 0.0
    ours = asdcore.load_encoder("ast", checkpoint=full_length[1]).front_end(torch.from_numpy(audio)).numpy()
    expected = np.stack(extractor()(list(audio), sampling_rate=RATE)["input_values"])
    assert ours.shape == expected.shape == (2, 1024, 128)
    assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()


def test_front_end_follows_the_checkpoints_own_settings(tmp_path):
    random_model(max_length=128).save_pretrained(tmp_path)
    settings = {"mean": -6.8, "std": 5.5, "max_length": 128}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    audio = clips(1, RATE)
    ours = asdcore.load_encoder("ast", checkpoint=tmp_path).front_end(torch.from_numpy(audio)).numpy()
    expected = np.stack(extractor(**settings)(list(audio), sampling_rate=RATE)["input_values"])
    assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    plain = asdcore.load_encoder("ast", checkpoint=tmp_path).front_end(torch.from_numpy(audio)).numpy()
    assert np.allclose((plain + 6.8) / 11.0, ours, rtol=0, atol=1e-6)


def test_ten_seconds_are_101_by_12_tokens(full_length):
    tokens = asdcore.load_encoder("ast", checkpoint=full_length[1]).encode(clips(1, 10 * RATE), [0])[0]
    assert tokens.patches.shape == (1, 101, 12, 16)
    assert tokens.special.shape == (1, 2, 16)


@pytest.mark.parametrize(("n_samples", "windows"), [(164_239, 1), (164_240, 2), (18 * RATE, 2), (330_000, 3)])
def test_a_long_clip_is_heard_in_windows_or_cut(n_samples, windows, full_length):
    audio = clips(1, n_samples)
    heard = asdcore.load_encoder("ast", checkpoint=full_length[1]).encode(audio, ["final"])["final"]
    assert heard.patches.shape == (1, 101 * windows, 12, 16)
    assert heard.special.shape == (1, 2, 16)
    encoder = asdcore.load_encoder("ast", checkpoint=full_length[1], beyond="cut")
    cut = encoder.encode(audio, ["final"])["final"]
    assert cut.patches.shape == (1, 101, 12, 16)
    assert np.array_equal(cut.patches, encoder.encode(audio[:, :164_239], ["final"])["final"].patches)
    assert encoder.hears == 164_239 / RATE


def test_patches_lie_in_time_and_band(full_length):
    # A patch hears 16 frames from 10 t on and 16 bands from 10 b on.
    encoder = asdcore.load_encoder("ast", checkpoint=full_length[1])
    with torch.inference_mode():
        mel = torch.zeros(1, 1024, 128)
        before = encoder.tokens(mel, [0])[0][0]
        mel[0, 500, 60] = 1.0
        changed = (encoder.tokens(mel, [0])[0][0] != before).any(-1)[0].nonzero()
    assert changed.tolist() == [[t, b] for t in (49, 50) for b in (5, 6)]


def test_a_classifier_with_either_spelling_of_names_is_the_same(full_length, tmp_path):
    model, folder = full_length
    written = load_file(folder / "model.safetensors")
    assert any(name.startswith("encoder.layer.0.attention.attention.query") for name in written)
    heads = {"classifier.dense.weight": torch.zeros(527, 16), "classifier.layernorm.bias": torch.zeros(16)}
    audio, tokens = clips(1, RATE), []
    for state in (written, model.state_dict()):
        named = {f"audio_spectrogram_transformer.{name}": value for name, value in state.items()}
        save_file(named | heads, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text((folder / "config.json").read_text())
        tokens.append(asdcore.load_encoder("ast", checkpoint=tmp_path).encode(audio, ["final"])["final"].patches)
    assert np.array_equal(*tokens)
    assert np.array_equal(tokens[0], asdcore.load_encoder("ast", checkpoint=folder).encode(audio)["final"].patches)


def test_a_checkpoint_that_does_not_fit_is_refused_in_the_words_of_the_file(full_length, check_misfit):
    missing = "encoder.layer.1.attention.attention.key.bias"
    check_misfit("ast", full_length[1], "ASTModel", missing=missing, unexpected="extra.weight")


def test_less_than_a_frame_is_refused(full_length):
    with pytest.raises(DataError, match="399 samples at 16000 Hz is too short for this encoder, which needs 400"):
        asdcore.load_encoder("ast", checkpoint=full_length[1]).encode(clips(1, 399))


def test_silence_is_finite_and_bits_do_not_depend_on_neighbours(short):
    encoder = asdcore.load_encoder("ast", checkpoint=short)
    audio = np.concatenate([clips(3, RATE), np.zeros((1, RATE), np.float32)])
    together = encoder.encode(audio)["final"]
    alone = [encoder.encode(clip[None])["final"] for clip in audio]
    assert np.array_equal(together.patches, np.concatenate([one.patches for one in alone]))
    assert np.array_equal(together.special, np.concatenate([one.special for one in alone]))
    assert np.isfinite(together.patches).all()


def test_blocks_above_the_highest_layer_wanted_do_not_run(short):
    encoder, ran = asdcore.load_encoder("ast", checkpoint=short, beyond="cut"), []
    for k, block in enumerate(encoder.model.layers, start=1):
        block.register_forward_hook(lambda *_, k=k: ran.append(k))
    encoder.encode(clips(1, RATE), [0, 1])
    assert ran == [1]


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, short):
    check(lambda: asdcore.load_encoder("ast", checkpoint=short))
