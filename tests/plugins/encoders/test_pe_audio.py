"""PE-A against the transformers library, with small random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import asdcore
from asdcore import DataError
from asdcore.testing import checks

RATE = 48000
CODEC = {"encoder_hidden_size": 2, "codebook_dim": 6, "hidden_size": 32, "downsampling_ratios": [2, 8, 10, 12]}
SMALL = {
    "dac_config": {"model_type": "dac", **CODEC},
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "head_dim": 8,
}
TEXT = {
    "model_type": "modernbert",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}


def clips(n_clips, n_samples, seed=0):
    rng = np.random.default_rng(seed)
    tones = 0.2 * np.sin(2 * np.pi * rng.uniform(100, 4000, (n_clips, 1)) * np.arange(n_samples) / RATE)
    return (tones + 0.05 * rng.standard_normal((n_clips, n_samples))).astype(np.float32)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    torch.manual_seed(0)
    model = transformers.PeAudioEncoder(transformers.PeAudioEncoderConfig(**SMALL)).eval()
    model.save_pretrained(folder := tmp_path_factory.mktemp("alone"))
    return model, folder


@pytest.mark.parametrize("n_samples", [1, 1000, 1920, 5000, 9600])
def test_every_layer_equals_the_librarys(alone, n_samples):
    model, folder = alone
    audio = clips(2, n_samples)
    values = transformers.PeAudioFeatureExtractor()(list(audio), sampling_rate=RATE, return_tensors="pt", padding=False)
    with torch.no_grad():
        expected = model(values["input_values"], output_hidden_states=True)
    encoder = asdcore.load_encoder("pe_audio", checkpoint=folder)
    assert tuple(encoder.layers) == (0, 1, 2, 3, "final")
    tokens = encoder.encode(audio, encoder.layers)
    assert tokens["final"].patches.shape == (2, -(-n_samples // 1920), 1, 16)
    for layer in range(3):  # in place of what the last block leaves, the library shows what it returns
        hidden = expected.hidden_states[layer].numpy()
        assert np.allclose(tokens[layer].patches[:, :, 0], hidden[:, 1:], rtol=0, atol=1e-6)
        assert np.allclose(tokens[layer].special[:, 0], hidden[:, 0], rtol=0, atol=1e-6)
    with torch.no_grad():
        returned = model.output(model.norm(torch.from_numpy(tokens[3].patches[:, :, 0]))).numpy()
    assert np.allclose(tokens["final"].patches[:, :, 0], returned, rtol=0, atol=1e-6)
    assert np.allclose(tokens["final"].patches[:, :, 0], expected.last_hidden_state.numpy(), rtol=0, atol=1e-6)
    assert np.allclose(tokens["final"].special[:, 0], expected.pooler_output.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["PeAudioModel", "PeAudioFrameLevelModel"])
def test_of_a_checkpoint_with_a_text_half_the_encoder_is_taken(kind, tmp_path):
    torch.manual_seed(1)
    model = getattr(transformers, kind)(transformers.PeAudioConfig(text_config=TEXT, audio_config=SMALL)).eval()
    model.save_pretrained(tmp_path)
    audio = clips(1, 3840)
    with torch.no_grad():
        expected = model.audio_encoder(torch.from_numpy(audio)[:, None]).last_hidden_state.numpy()
    encoder = asdcore.load_encoder("pe_audio", checkpoint=tmp_path)
    assert np.allclose(encoder.encode(audio, ["final"])["final"].patches[:, :, 0], expected, atol=1e-5)


def test_a_clip_is_heard_as_a_whole_up_to_30_s_or_in_windows(alone):
    assert asdcore.load_encoder("pe_audio", checkpoint=alone[1]).longest == 30.0
    windowed = asdcore.load_encoder("pe_audio", checkpoint=alone[1], window_seconds=1.0)
    assert windowed.encode(clips(1, 3 * RATE), ["final"])["final"].patches.shape == (1, 75, 1, 16)


def test_the_checkpoint_of_another_model_is_refused(alone, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "pe_audio_video"}')
    (tmp_path / "model.safetensors").write_bytes((alone[1] / "model.safetensors").read_bytes())
    with pytest.raises(DataError, match="pe_audio_video"):
        asdcore.load_encoder("pe_audio", checkpoint=tmp_path)


def test_exact_is_refused_with_a_reason(alone):
    with pytest.raises(asdcore.PluginError, match="normalizes in single precision"):
        asdcore.load_encoder("pe_audio", checkpoint=alone[1], exact=True)


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, alone):
    check(lambda: asdcore.load_encoder("pe_audio", checkpoint=alone[1]))
