"""OpenBEATs through the encoder ``beats``, against what its authors' package gave on a small network.

Two stages: the waveform to the front end, and the stored fbank to every layer; then once from end to end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError
from asdcore_plugins.nn.beats_checkpoint import described, network
from asdcore_plugins.trained.networks.beats_lora import BeatsLora

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "openbeats"
EXPECTED = GOLDEN / "expected.npz"
WAVES = (61, 30000, 16000)
TUNED = GOLDEN / "espnet_finetune"
WEIGHTS = "valid.acc.best.pth"


def load(checkpoint=GOLDEN / "ssl.pt", **parameters):
    return asdcore.load_encoder("beats", checkpoint=checkpoint, **parameters)


@pytest.fixture(scope="module")
def other():
    return dict(np.load(GOLDEN / "expected_other.npz"))


def pooled(encoder, audio):
    return encoder.encode(audio)[3].patches.mean(axis=(1, 2))


def tuned():
    return torch.load(TUNED / WEIGHTS, weights_only=True)


def test_the_fbank_is_normalized_as_the_checkpoint_says(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio)).numpy()
    assert np.abs(found - expected["fbank"]).max() < 5e-4


def test_every_layer_equals_the_authors_from_their_fbank(encoder, expected, check_layers):
    found = encoder.tokens(torch.from_numpy(expected["fbank"]), encoder.layers)
    assert list(found) == [0, 1, 2, 3]
    check_layers(found, expected, 1e-5)


def test_the_mean_of_the_tokens_is_the_authors_from_the_waveform(encoder, other, audio):
    assert np.abs(pooled(encoder, audio) - other["mean_pooled"]).max() < 5e-4


def test_a_short_clip_is_repeated_as_the_authors_do_it(encoder, other, audio):
    found = encoder.encode(audio[:, :1500])[3].patches
    assert found.shape == (2, 1, 8, 48)
    assert np.abs(found.mean(axis=(1, 2)) - other["tiny1500_mean_pooled"]).max() < 5e-4
    twice = np.concatenate([audio[:, :3199]] * 2, axis=1)
    assert np.array_equal(encoder.encode(audio[:, :3199])[3].patches, encoder.encode(twice)[3].patches)
    assert encoder.encode(audio[:, :3200])[3].patches.shape == (2, 1, 8, 48)
    assert np.isfinite(encoder.encode(audio[:, :1])[3].patches).all()


def test_silence_is_finite_and_the_authors(encoder, other):
    assert np.abs(pooled(encoder, np.zeros((1, 8000), np.float32)) - other["silence_mean_pooled"]).max() < 5e-4


def test_a_fine_tuned_model_of_espnet_is_read_from_its_folder(other, audio):
    assert np.abs(pooled(load(TUNED), audio) - other["finetuned_mean_pooled"]).max() < 5e-4


def test_of_its_file_alone_the_tensors_tell_the_sizes_and_nothing_how_fbanks_are_normalized(other, audio):
    cfg, state = described(tuned(), "a.pth")
    full = torch.load(GOLDEN / "ssl.pt", weights_only=True)["cfg"]
    assert {key: full[key] for key in cfg} == cfg
    assert "decoder.linear_out.weight" not in state
    encoder = load(TUNED / WEIGHTS)
    assert (encoder.model.mean, encoder.model.std) == (15.41663, 6.55582)
    # Its authors' numbers here are 12.5 and 7.25, and only the configuration says so.
    assert np.abs(pooled(encoder, audio) - other["finetuned_mean_pooled"]).max() > 0.1
    encoder.model.mean, encoder.model.std = 12.5, 7.25
    assert np.abs(pooled(encoder, audio) - other["finetuned_mean_pooled"]).max() < 5e-4


def test_lora_trains_it_with_its_own_normalization(encoder, audio):
    theirs = BeatsLora(checkpoint=TUNED)
    assert (theirs.base.mean, theirs.base.std) == (12.5, 7.25)
    own = BeatsLora(checkpoint=GOLDEN / "ssl.pt").front_end(torch.from_numpy(audio))
    assert np.abs(own.numpy() - encoder.front_end(torch.from_numpy(audio)).numpy()).max() < 5e-4


def test_a_folder_must_hold_one_file_of_weights(tmp_path):
    with pytest.raises(DataError, match=r"is a folder with 0 files \.pt or \.pth: it must have one"):
        load(tmp_path)
    for name in ("a.pth", "b.pth"):
        shutil.copy(TUNED / WEIGHTS, tmp_path / name)
    with pytest.raises(DataError, match=r"is a folder with 2 files"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("encoder_conf: {beats_config: [", r"config\.yaml is no YAML"),
        ("encoder_conf: {beats_config: {fbank_std: 7.25}}", "encoder_layers = None"),
    ],
)
def test_a_spoilt_configuration_is_named(tmp_path, text, said):
    shutil.copy(TUNED / WEIGHTS, tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=said):
        load(tmp_path)


@pytest.mark.parametrize("change", [{"fbank_std": 0.0}, {"fbank_mean": "12.5"}, {"fbank_std": float("nan")}])
def test_a_normalization_that_cannot_be_is_refused(change):
    whole = torch.load(GOLDEN / "ssl.pt", weights_only=True)
    (key, value) = next(iter(change.items()))
    whole["cfg"] |= change
    with pytest.raises(
        DataError, match=rf"a\.pt has a cfg unlike that of every official checkpoint: {key} = {value!r}"
    ):
        network(whole, where="a.pt")


def test_a_file_that_lacks_a_tensor_is_refused():
    state = tuned()
    del state["encoder.encoder.layers.1.fc1.weight"]
    with pytest.raises(DataError, match=r"a\.pth does not fit:\n  missing \(1\): encoder\.layers\.1\.fc1\.weight"):
        network(state, where="a.pth")


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)
