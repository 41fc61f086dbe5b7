"""Whisper against the transformers library, with small random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import asdcore
from asdcore.testing import checks

RATE = 16000


def clips(n_clips, n_samples, seed=0):
    rng, time = np.random.default_rng(seed), np.arange(n_samples) / RATE
    tones = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 2000, (n_clips, 1)) * time)
    return (0.05 + tones + 0.05 * rng.standard_normal((n_clips, n_samples))).astype(np.float32)


def saved(model, folder):
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A Whisper that hears 2 s, with its decoder, and the folder it is saved in."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        max_source_positions=100,
        vocab_size=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    return model, saved(model, tmp_path_factory.mktemp("whisper"))


def close(ours, theirs):
    """Whether tokens agree to a hundred-thousandth of their scale."""
    theirs = theirs.detach().numpy()
    return ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("n_samples", [320, 15_999, 16_001, 32_000])
def test_whisper_equals_the_librarys_on_the_clips_own_tokens(n_samples, whisper):
    model, folder = whisper
    audio = clips(2, n_samples)
    encoder = asdcore.load_encoder("whisper", checkpoint=folder)
    with torch.no_grad():
        expected = model.model.encoder(encoder.front_end(torch.from_numpy(audio)), output_hidden_states=True)
    tokens, own = encoder.encode(audio, encoder.layers), -(-n_samples // 320)
    for layer in (0, 1):
        assert close(tokens[layer].patches[:, :, 0], expected.hidden_states[layer][:, :own])
    assert close(tokens["final"].patches[:, :, 0], expected.last_hidden_state[:, :own])
    assert list(encoder.layers) == [0, 1, 2, "final"]


@pytest.mark.parametrize("n_samples", [1, 320, 15_999, 32_000])
def test_whispers_spectrogram_is_the_librarys(n_samples, whisper):
    audio = clips(2, n_samples)
    ours = asdcore.load_encoder("whisper", checkpoint=whisper[1]).front_end(torch.from_numpy(audio)).numpy()
    extractor = transformers.WhisperFeatureExtractor(chunk_length=2)
    single = extractor(list(audio), sampling_rate=RATE, return_tensors="np")["input_features"]
    double = extractor._np_extract_fbank_features(np.pad(audio, ((0, 0), (0, 32_000 - n_samples))), "cpu")
    assert ours.shape == single.shape == (2, 80, 200)
    assert np.abs(ours - double).max() < 1e-6
    # Where a band holds little energy, the library's float32 spectrum is of its own rounding.
    assert np.abs(ours - single).max() < 1e-4 * np.abs(single).max()


def test_whisper_hears_a_long_clip_in_windows(whisper):
    encoder, audio = asdcore.load_encoder("whisper", checkpoint=whisper[1]), clips(1, 70_000)
    tokens = encoder.encode(audio, [2])[2].patches
    windows = [encoder.encode(audio[:, start : start + 32_000], [2])[2].patches for start in (0, 19_000, 38_000)]
    assert np.array_equal(tokens, np.concatenate(windows, axis=1))


def test_whisper_cuts_what_is_longer_than_it_hears_where_that_is_asked_for(whisper):
    encoder = asdcore.load_encoder("whisper", checkpoint=whisper[1], beyond="cut")
    assert encoder.hears == 2.0
    audio = clips(1, 40_000)
    tokens = encoder.encode(audio, [2])[2].patches
    assert tokens.shape == (1, 100, 1, 16)
    assert np.array_equal(tokens, encoder.encode(audio[:, :32_000], [2])[2].patches)


def test_whisper_of_full_size_has_500_tokens_for_ten_seconds(tmp_path):
    sizes = {"d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 1, "encoder_ffn_dim": 8, "num_mel_bins": 128}
    model = transformers.models.whisper.modeling_whisper.WhisperEncoder(transformers.WhisperConfig(**sizes))
    encoder = asdcore.load_encoder("whisper", checkpoint=saved(model, tmp_path))
    assert encoder.encode(clips(1, 10 * RATE), [0])[0].patches.shape == (1, 500, 1, 8)


def test_whisper_hears_silence_as_silence(whisper):
    encoder = asdcore.load_encoder("whisper", checkpoint=whisper[1])
    assert encoder.front_end(torch.zeros(1, RATE)).unique().tolist() == [-1.5]  # (log10(1e-10) + 4) / 4
    assert np.isfinite(encoder.encode(np.zeros((1, RATE), np.float32))["final"].patches).all()


def test_whispers_decoder_is_not_loaded(whisper):
    encoder = asdcore.load_encoder("whisper", checkpoint=whisper[1])
    assert not any("decoder" in name for name in encoder.model.state_dict())


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, whisper):
    check(lambda: asdcore.load_encoder("whisper", checkpoint=whisper[1]))
