"""LAION's CLAP against the transformers library, with small random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

import asdcore
from asdcore import DataError
from asdcore.testing import checks

RATE = 48000
SMALL = {
    "patch_embeds_hidden_size": 8,
    "hidden_size": 64,
    "depths": [1, 2, 1, 1],
    "num_attention_heads": [1, 2, 2, 2],
    "projection_dim": 12,
    "aff_block_r": 2,
}
# One second at 16 kHz: folded in two, its image is 64 x 64.
SHORT = SMALL | {
    "spec_size": 64,
    "num_mel_bins": 32,
    "depths": [1, 1],
    "num_attention_heads": [1, 2],
    "hidden_size": 16,
}
HEARS = {"sampling_rate": 16000, "hop_length": 160, "max_length_s": 1, "frequency_max": 7000, "feature_size": 32}


def clips(n_clips, n_samples, seed=0):
    rng, time = np.random.default_rng(seed), np.arange(n_samples) / RATE
    tones = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 2000, (n_clips, 1)) * time)
    return (0.05 + tones + 0.05 * rng.standard_normal((n_clips, n_samples))).astype(np.float32)


def saved(folder, preprocessor=None, **config):
    torch.manual_seed(0)
    model = transformers.ClapAudioModelWithProjection(transformers.ClapAudioConfig(**config)).eval()
    norm = model.audio_model.audio_encoder.batch_norm
    torch.nn.init.normal_(norm.running_mean, -40, 5)  # dB, as a trained one's are
    torch.nn.init.uniform_(norm.running_var, 50, 150)
    model.save_pretrained(folder)
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model, folder


@pytest.fixture(scope="module", params=[False, True], ids=["unfused", "fused"])
def clap(request, tmp_path_factory):
    """A narrow CLAP of the published length, and the folder it is saved in."""
    return saved(tmp_path_factory.mktemp("clap"), **SMALL, enable_fusion=request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["unfused", "fused"])
def short(request, tmp_path_factory):
    """The folder of a CLAP that hears a second."""
    return saved(tmp_path_factory.mktemp("short"), HEARS, **SHORT, enable_fusion=request.param)[1]


@pytest.fixture
def middle(monkeypatch):
    """Let the library's extractor draw the middle of what it draws from."""
    monkeypatch.setattr(np.random, "randint", lambda low, high: (high - 1 - low) // 2)
    monkeypatch.setattr(np.random, "choice", lambda among: among[len(among) // 2])


@pytest.mark.parametrize("n_samples", [1, 48_000, 300_000, 480_000, 480_100, 700_000])
def test_the_spectrogram_is_the_librarys_with_its_draws_in_the_middle(n_samples, clap, middle):
    model, folder = clap
    fused = model.config.enable_fusion
    truncation = "fusion" if fused else "rand_trunc"
    library = transformers.ClapFeatureExtractor(truncation=truncation, frequency_min=50)
    audio = clips(1, n_samples)
    ours = asdcore.load_encoder("clap", checkpoint=folder).front_end(torch.from_numpy(audio)).numpy()
    expected = library(audio[0], sampling_rate=RATE, return_tensors="np")["input_features"]
    assert ours.shape == expected.shape == (1, 4 if fused else 1, 1001, 64)
    assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()


def test_every_stage_and_the_embedding_equal_the_librarys(clap):
    model, folder = clap
    encoder, audio = asdcore.load_encoder("clap", checkpoint=folder), clips(2, 5 * RATE)
    assert (encoder.sample_rate, list(encoder.layers)) == (RATE, [0, 1, 2, 3, 4, 5, "final"])
    given = {
        "input_features": encoder.front_end(torch.from_numpy(audio)),
        "is_longer": torch.ones(2, 1, dtype=torch.bool),
    }
    keep = {"output_hidden_states": True, "output_hidden_states_before_downsampling": True}
    with torch.no_grad():
        stages = model.audio_model(**given, **keep).hidden_states
        embedding = model(**given).audio_embeds
    tokens = encoder.encode(audio, encoder.layers)
    for layer, theirs in zip((0, 1, 3, 4, 5), stages, strict=True):
        n_clips, dim, rows, columns = theirs.shape
        unfolded = theirs.reshape(n_clips, dim, 4, rows // 4, columns).permute(0, 2, 4, 3, 1).flatten(1, 2)
        assert np.abs(tokens[layer].patches - unfolded.numpy()).max() < 1e-5 * unfolded.abs().max()
    assert np.abs(tokens["final"].patches[:, 0, 0] - embedding.numpy()).max() < 1e-5 * embedding.abs().max()
    grids = [tokens[layer].patches.shape[1:] for layer in encoder.layers]
    assert grids == [(256, 16, 8), (256, 16, 8), (128, 8, 16), (128, 8, 16), (64, 4, 32), (32, 2, 64), (1, 1, 12)]


def test_tokens_lie_in_time_and_band(tmp_path):
    # 1001 frames are stretched to 1024, bicubically; a token hears 4 of them and 4 of the 64 bands.
    encoder = asdcore.load_encoder("clap", checkpoint=saved(tmp_path, **SMALL)[1])
    with torch.inference_mode():
        mel = torch.full((1, 1, 1001, 64), -40.0)
        before = encoder.tokens(mel, [0])[0][0]
        mel[0, 0, 700, 41] = 0.0
        time, band = (encoder.tokens(mel, [0])[0][0] != before).any(-1)[0].nonzero().T.tolist()
    place = 700 * 1023 / 1000 / 4
    assert set(band) == {41 // 4}
    assert min(time) >= place - 2
    assert max(time) <= place + 1
    assert int(place) in time


def test_a_long_clip_is_heard_in_windows_and_the_embedding_averaged(short):
    encoder, audio = asdcore.load_encoder("clap", checkpoint=short), clips(1, 24_000)
    fused = encoder.model.config.enable_fusion
    whole = encoder.encode(audio)["final"].patches
    halves = [encoder.encode(audio[:, start : start + 16_000])["final"].patches for start in (0, 8000)]
    assert whole.shape == (1, 1, 1, 12)
    assert np.allclose(whole, np.mean(halves, axis=0), atol=1e-6) is not fused
    layer = encoder.encode(audio, [1])[1].patches
    assert layer.shape[1] == encoder.encode(audio[:, :16_000], [1])[1].patches.shape[1] * (1 if fused else 2)
    assert encoder.hears is None


def test_of_a_long_clip_the_middle_is_heard_where_it_is_cut(short):
    encoder, audio = asdcore.load_encoder("clap", checkpoint=short, beyond="cut"), clips(1, 24_000)
    assert encoder.hears == (None if encoder.model.config.enable_fusion else 1.0)
    whole = encoder.encode(audio)["final"].patches
    alone = encoder.encode(audio[:, 4000:20_000])["final"].patches
    assert whole.shape == (1, 1, 1, 12)
    assert np.array_equal(whole, alone) is not encoder.model.config.enable_fusion


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_short_clips_are_filled_up_as_the_checkpoint_says(padding, tmp_path):
    folder = saved(tmp_path, HEARS | {"padding": padding}, **SHORT)[1]
    audio = clips(1, 6000)
    ours = asdcore.load_encoder("clap", checkpoint=folder).front_end(torch.from_numpy(audio)).numpy()
    library = transformers.ClapFeatureExtractor(truncation="rand_trunc", padding=padding, frequency_min=50, **HEARS)
    expected = library(audio[0], sampling_rate=16000, return_tensors="np")["input_features"]
    assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()


def test_another_padding_is_refused(tmp_path):
    with pytest.raises(DataError, match="padding is 'mirror', not repeatpad, repeat or pad"):
        asdcore.load_encoder("clap", checkpoint=saved(tmp_path, HEARS | {"padding": "mirror"}, **SHORT)[1])


def test_the_half_that_reads_captions_is_left_out(tmp_path):
    audio_config = SHORT | {"projection_dim": 12}
    text_config = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    torch.manual_seed(0)
    model = transformers.ClapModel(
        transformers.ClapConfig(audio_config=audio_config, text_config=text_config, projection_dim=12)
    ).eval()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(HEARS))
    encoder, audio = asdcore.load_encoder("clap", checkpoint=tmp_path), clips(1, 16_000)
    with torch.no_grad():
        expected = model.get_audio_features(input_features=encoder.front_end(torch.from_numpy(audio))).pooler_output
    embedding = encoder.encode(audio)["final"].patches[:, 0, 0]
    assert np.abs(embedding / np.linalg.norm(embedding) - expected.numpy()).max() < 1e-6
    assert not any(name.startswith(("text", "logit")) for name in encoder.model.state_dict())


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_list(tmp_path, check_misfit):
    folder = saved(tmp_path, HEARS, **SHORT)[1]
    missing, unexpected = "audio_projection.linear2.bias", "audio_model.more"
    check_misfit("clap", folder, "ClapAudioModelWithProjection", missing=missing, unexpected=unexpected)


def test_silence_is_finite_and_bits_do_not_depend_on_neighbours(short):
    encoder = asdcore.load_encoder("clap", checkpoint=short)
    audio = np.concatenate([clips(3, 9000), np.zeros((1, 9000), np.float32)])
    for layer in encoder.layers:
        together = encoder.encode(audio, [layer])[layer].patches
        alone = [encoder.encode(clip[None], [layer])[layer].patches for clip in audio]
        assert np.array_equal(together, np.concatenate(alone))
        assert np.isfinite(together).all()


def test_blocks_above_the_highest_layer_wanted_do_not_run(clap):
    encoder, ran = asdcore.load_encoder("clap", checkpoint=clap[1]), []
    for stage in encoder.model.audio_model.audio_encoder.layers:
        for block in stage.blocks:
            block.register_forward_hook(lambda *_: ran.append(1))
    encoder.encode(clips(1, RATE), [2])
    assert len(ran) == 2


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, short):
    check(lambda: asdcore.load_encoder("clap", checkpoint=short))
