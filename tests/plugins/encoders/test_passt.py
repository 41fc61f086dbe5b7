"""PaSST, against what the authors' code gave on a small network with weights by formula.

Two stages: the waveform to the front end, and the stored spectrogram to every layer; then once from end to end.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import encoder_checks
from asdcore_plugins.encoders.passt import network

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders" / "passt"
EXPECTED = GOLDEN / "expected.npz"
WAVES = (81, 48000, 32000)
LAYERS = [0, 1, 2, 3, "final"]
NAMES = {"final": "final_norm_tokens"}


def load(**parameters):
    return asdcore.load_encoder("passt", checkpoint=GOLDEN / "checkpoint.pt", **{"num_heads": 4} | parameters)


def state():
    return torch.load(GOLDEN / "checkpoint.pt", weights_only=True)


def test_the_front_end_equals_the_authors(encoder, expected, audio):
    found = encoder.front_end(torch.from_numpy(audio)).numpy()
    assert np.abs(found - expected["mel"].swapaxes(1, 2)).max() < 3e-4


@pytest.mark.parametrize("clips", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["batch", "first", "second"])
def test_every_layer_equals_the_authors_from_their_spectrogram(encoder, expected, check_layers, clips):
    mel = expected["mel"][clips].swapaxes(1, 2)
    found = encoder.tokens(torch.from_numpy(mel), LAYERS)
    assert list(found) == list(encoder.layers) == LAYERS
    check_layers(found, expected, 1e-5, names=NAMES, clips=clips, band_first=True)
    assert np.abs(found["final"][1].mean(1).numpy() - expected["features"][clips]).max() < 1e-5


def test_every_layer_equals_the_authors_from_the_waveform(encoder, expected, audio, check_layers):
    found = encoder.encode(audio, LAYERS)
    assert list(found) == LAYERS
    check_layers(found, expected, 1e-4, names=NAMES, band_first=True)


def test_tokens_are_the_same_bits_alone_and_in_a_batch(check_alone, encoder, audio):
    check_alone(encoder, audio)


def test_the_official_checkpoint_fits():
    official = json.loads((GOLDEN / "keys.json").read_text())
    with torch.device("meta"):
        own = {name: torch.empty(shape) for name, shape in official["keys"].items()}
    model = network(own, (10, 10), where="keys.json", num_heads=None)
    assert model.blocks[0].attn.heads == 12
    assert len(model.state_dict()) == official["n_keys"] - 6  # the classifiers


def test_ten_seconds_are_99_by_12_tokens_with_class_and_distillation(tmp_path):
    torch.save(state() | {"time_new_pos_embed": torch.zeros(1, 32, 1, 99)}, tmp_path / "10s.pt")
    encoder = asdcore.load_encoder("passt", checkpoint=tmp_path / "10s.pt", num_heads=4)
    for n_samples, time in ((320000, 99), (321600, 99), (321601, 198), (960000, 396), (4801, 1), (8000, 1), (8001, 2)):
        tokens = encoder.encode(np.zeros((1, n_samples), np.float32))["final"]
        assert tokens.patches.shape == (1, time, 12, 32)
        assert tokens.special.shape == (1, 2, 32)
        assert np.isfinite(tokens.patches).all()


def test_a_clip_without_a_whole_patch_is_refused(encoder):
    with pytest.raises(DataError, match="4800 samples at 32000 Hz is too short .* needs 4801 .150 ms"):
        encoder.encode(np.zeros((1, 4800), np.float32))


def test_patches_beyond_the_table_of_positions_are_cut_off_where_that_is_asked_for(wave):
    encoder, audio = load(beyond="cut"), wave(81, 96000, 32000)
    assert encoder.hears == pytest.approx((15 + 17 * 10) * 320 / 32000)
    louder = audio.copy()
    louder[:, 58000:] *= 3.0  # 17 patches end at frame 176, which hears up to sample 56,720
    assert np.array_equal(encoder.encode(audio)["final"].patches, encoder.encode(louder)["final"].patches)


def test_checkpoints_with_another_stride_or_hop_say_so_by_parameters(tmp_path):
    table = {"freq_new_pos_embed": torch.zeros(1, 32, 8, 1)}
    torch.save(state() | table, tmp_path / "s16.pt")
    encoder = asdcore.load_encoder("passt", checkpoint=tmp_path / "s16.pt", num_heads=4, stride=16, hopsize=160)
    assert encoder.encode(np.zeros((1, 32000), np.float32), [0])[0].patches.shape == (1, 12, 8, 32)
    with pytest.raises(DataError, match=r"freq_new_pos_embed is \(1, 32, 8, 1\), not \(1, 32, 12, 1\)"):
        asdcore.load_encoder("passt", checkpoint=tmp_path / "s16.pt", num_heads=4)
    with pytest.raises(PluginError, match=r"stride \(0\) and hopsize \(320\) must be at least 1"):
        load(stride=0)


def test_a_checkpoint_without_distillation_has_one_special_token(tmp_path):
    single = {name: value for name, value in state().items() if "dist" not in name}
    torch.save(single | {"new_pos_embed": single["new_pos_embed"][:, :1]}, tmp_path / "plain.pt")
    encoder = asdcore.load_encoder("passt", checkpoint=tmp_path / "plain.pt", num_heads=4)
    assert encoder.encode(np.zeros((1, 32000), np.float32))["final"].special.shape == (1, 1, 32)


def test_no_block_above_the_highest_layer_runs(encoder, audio, ran):
    assert ran(encoder, audio[:1], [0]) == []
    assert ran(encoder, audio[:1], [2]) == [1, 2]
    assert ran(encoder, audio[:1], ["final"]) == [1, 2, 3]


def test_a_checkpoint_that_does_not_fit_is_refused(check_refusals):
    check_refusals(
        lambda spoilt: network(spoilt, (10, 10), where="a.pt", num_heads=4),
        {name: tensor for name, tensor in state().items() if not name.startswith("head")},
    )


@encoder_checks(load)
def test_conforms(check):
    check()
