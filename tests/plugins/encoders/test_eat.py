"""EAT, against what the authors' code gave on a small network with weights by formula, in all kinds of checkpoint.

Two stages: the waveform to the front end, and the stored spectrogram to every layer; then once from end to end.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.nn.eat import network

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "eat"
EXPECTED = GOLDEN / "expected_pretrain.npz"
WAVES = (11, 40000, 16000)
PRETRAINED = ["hf_pretrain/model.safetensors", "hf_pretrain", "fairseq_pretrain.pt"]
FINE_TUNED = {"hf_finetune/model.safetensors": "logits", "fairseq_finetune.pt": "logits_fairseq_fcnorm_eps1e-6"}


def load(file, **parameters):
    return asdcore.load_encoder("eat", checkpoint=GOLDEN / file, **{"num_heads": 4, "target_length": 256} | parameters)


@pytest.fixture(scope="module")
def encoder():
    return load("hf_pretrain")


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio)).numpy()
    assert np.abs(found - expected["mel"][:, 0]).max() < 3e-4


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
@pytest.mark.parametrize("file", PRETRAINED)
def test_every_layer_equals_the_authors_from_their_spectrogram(expected, check_layers, file, clips):
    encoder = load(file)
    found = encoder.tokens(torch.from_numpy(expected["mel"][clips, 0]), encoder.layers)
    assert list(found) == list(encoder.layers) == [0, 1, 2, 3]
    # Tight enough to tell a LayerNorm epsilon of 1e-6 from 1e-5.
    check_layers(found, expected, 1e-5, clips=clips)


def test_every_layer_equals_the_authors_from_the_waveform(encoder, expected, audio, check_layers):
    found = encoder.encode(audio, encoder.layers)
    check_layers(found, expected, 1e-4)
    assert np.abs(found[3].special[:, 0] - expected["cls"]).max() < 1e-4


@pytest.mark.parametrize(("file", "logits"), FINE_TUNED.items())
def test_a_fine_tuned_checkpoint_ends_with_what_its_classifier_sees(expected, sequence, file, logits):
    encoder, tuned = load(file), np.load(GOLDEN / "expected_finetune.npz")
    found = encoder.tokens(torch.from_numpy(expected["mel"][:, 0]), encoder.layers)
    assert encoder.layers == (0, 1, 2, 3, "final")
    assert np.abs(sequence(found[3]) - tuned["final_all_tokens"]).max() < 1e-5
    state = load_file(GOLDEN / "hf_finetune" / "model.safetensors")
    scores = found["final"][1][:, 0] @ state["model.head.weight"].T + state["model.head.bias"]
    other = next(name for name in FINE_TUNED.values() if name != logits)
    # Each kind of file has the epsilon of its own code: 1e-5 or 1e-6.
    assert np.abs(scores.numpy() - tuned[logits]).max() < 3e-6 < np.abs(tuned[logits] - tuned[other]).max()


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


@pytest.mark.parametrize(
    ("file", "n_blocks", "n_loaded"),
    [
        ("keys.json", 12, 150),
        ("keys_hf_large_pretrain.json", 24, 294),
        ("keys_hf_finetune.json", 12, 152),
        ("keys_fairseq_pretrain.json", 12, 150),
    ],
)
def test_the_official_checkpoints_fit(file, n_blocks, n_loaded):
    shapes = json.loads((GOLDEN / file).read_text())["keys"]
    with torch.device("meta"):
        state = {name: {} if isinstance(shape, dict) else torch.empty(shape) for name, shape in shapes.items()}
    model = network(state, where=file, num_heads=None)
    assert len(model.blocks) == n_blocks
    assert model.blocks[0].attn.heads == {12: 12, 24: 16}[n_blocks]
    assert len(model.state_dict()) == n_loaded


def test_ten_seconds_are_64_by_8_tokens_and_a_class_token(tmp_path):
    state = load_file(GOLDEN / "hf_pretrain" / "model.safetensors")
    state["model.fixed_positional_encoder.positions"] = torch.zeros(1, 512, 32)
    save_file(state, tmp_path / "model.safetensors")
    encoder = asdcore.load_encoder("eat", checkpoint=tmp_path, num_heads=4)
    tokens = encoder.encode(np.zeros((1, 160000), np.float32))[3]
    assert tokens.patches.shape == (1, 64, 8, 32)
    assert tokens.special.shape == (1, 1, 32)
    assert np.isfinite(tokens.patches).all()


@pytest.mark.parametrize(("n_samples", "windows"), [(400, 1), (16000, 1), (41359, 1), (41360, 2), (480000, 12)])
def test_clips_of_any_length_are_padded_to_the_target_length_or_heard_in_windows(encoder, n_samples, windows):
    noise = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    assert encoder.encode(noise)[3].patches.shape == (1, 16 * windows, 8, 32)
    assert load("hf_pretrain", beyond="cut").encode(noise)[3].patches.shape == (1, 16, 8, 32)


def test_windows_of_a_length_that_fills_no_whole_patches_leave_no_gap():
    encoder = load("hf_pretrain", target_length=250)  # 240 frames make 15 patches
    audio = np.random.default_rng(0).standard_normal((1, 100_000)).astype(np.float32)
    before = encoder.encode(audio)[3].patches
    for start in range(0, 100_000, 500):
        louder = audio.copy()
        louder[:, start : start + 500] *= 3.0
        assert not np.array_equal(encoder.encode(louder)[3].patches, before)


def test_what_is_cut_off_is_not_heard(wave):
    encoder, audio = load("hf_pretrain", beyond="cut"), wave(11, 60000, 16000)
    louder = audio.copy()
    louder[:, 400 + 255 * 160 :] *= 3.0
    assert np.array_equal(encoder.encode(audio)[3].patches, encoder.encode(louder)[3].patches)


def test_a_clip_without_a_whole_frame_is_refused(encoder):
    with pytest.raises(DataError, match="399 samples at 16000 Hz is too short .* needs 400"):
        encoder.encode(np.zeros((1, 399), np.float32))


@pytest.mark.parametrize("target_length", [0, 15, 321, -16])
def test_a_length_without_positions_is_refused(target_length):
    with pytest.raises(PluginError, match=rf"target_length is {target_length}; .* positions for 16 to 320 frames"):
        load("hf_pretrain", target_length=target_length)


def test_the_number_of_heads_of_an_unofficial_width_must_be_given():
    with pytest.raises(PluginError, match="num_heads is needed for tokens of 32 numbers: .* 12 for 768, 16 for 1024"):
        load("hf_pretrain", num_heads=None)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [1]) == [1]
    assert ran(load("hf_finetune"), audio[:1], ["final"]) == [1, 2, 3]


@pytest.mark.parametrize("file", ["hf_pretrain", "hf_finetune"])
def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals, file):
    state = load_file(GOLDEN / file / "model.safetensors")
    check_refusals(
        lambda state: network(state, where="a.pt", num_heads=4),
        {name: tensor for name, tensor in state.items() if not name.startswith("model.head.")},
    )


def test_a_classifier_without_its_norm_is_refused():
    state = load_file(GOLDEN / "hf_finetune" / "model.safetensors")
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("model.fc_norm")}
    with pytest.raises(DataError, match=r"missing \(2\): model\.fc_norm\.weight, model\.fc_norm\.bias"):
        network(headless, where="a.pt", num_heads=4)


@pytest.mark.parametrize("other", [{}, {"model": {"a": torch.zeros(2)}}, [torch.zeros(2)]])
def test_another_kind_of_checkpoint_is_refused(other):
    with pytest.raises(DataError, match=r"a\.pt has no tensor model\.local_encoder\.proj\.weight or modality_"):
        network(other, where="a.pt", num_heads=4)


@encoder_checks(lambda: load("hf_finetune"))
def test_conforms(check):
    check()
