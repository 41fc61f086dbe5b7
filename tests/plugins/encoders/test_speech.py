"""WavLM, HuBERT and data2vec against the transformers library, with small random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

import asdcore
from asdcore import DataError
from asdcore.testing import checks

RATE = 16000
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
LARGE = SMALL | {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
CASES = {
    "wavlm": ("wavlm", transformers.WavLMModel, transformers.WavLMConfig, SMALL),
    "wavlm-large": ("wavlm", transformers.WavLMModel, transformers.WavLMConfig, LARGE),
    "hubert": ("hubert", transformers.HubertModel, transformers.HubertConfig, SMALL),
    "hubert-large": ("hubert", transformers.HubertModel, transformers.HubertConfig, LARGE),
    "data2vec": ("data2vec", transformers.Data2VecAudioModel, transformers.Data2VecAudioConfig, SMALL),
}


def clips(n_clips, n_samples, seed=0):
    rng, time = np.random.default_rng(seed), np.arange(n_samples) / RATE
    tones = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 2000, (n_clips, 1)) * time)
    return (0.05 + tones + 0.05 * rng.standard_normal((n_clips, n_samples))).astype(np.float32)


def saved(model, folder, **preprocessor):
    model.save_pretrained(folder)
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function that returns the model of a case and the folder it is saved in."""
    made = {}

    def make(case):
        if case not in made:
            torch.manual_seed(0)
            _, model, config, sizes = CASES[case]
            model = model(config(**sizes)).eval()
            made[case] = model, saved(model, tmp_path_factory.mktemp(case))
        return made[case]

    return make


def close(ours, theirs):
    """Whether tokens agree to a hundred-thousandth of their scale."""
    theirs = theirs.detach().numpy()
    return ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("n_clips", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_every_layer_equals_the_librarys(case, n_clips, folders):
    model, folder = folders(case)
    audio = clips(n_clips, 8000)
    values = transformers.Wav2Vec2FeatureExtractor()(list(audio), sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        expected = model(values["input_values"], output_hidden_states=True)
    encoder = asdcore.load_encoder(CASES[case][0], checkpoint=folder)
    headed = ("final",) if case.endswith("large") else ()
    assert tuple(encoder.layers) == (0, 1, 2, 3, *headed)
    tokens = encoder.encode(audio, encoder.layers)
    for layer in range(4):
        assert close(tokens[layer].patches[:, :, 0], expected.hidden_states[layer])
    assert close(tokens[encoder.layers[-1]].patches[:, :, 0], expected.last_hidden_state)
    assert tokens[0].special is None


def test_final_is_not_what_the_last_block_leaves(folders):
    encoder = asdcore.load_encoder("hubert", checkpoint=folders("hubert-large")[1])
    tokens = encoder.encode(clips(1, 8000), [3, "final"])
    assert np.abs(tokens[3].patches - tokens["final"].patches).max() > 0.1


def test_ten_seconds_are_499_tokens(folders):
    encoder = asdcore.load_encoder("hubert", checkpoint=folders("hubert")[1])
    assert encoder.sample_rate == RATE
    assert encoder.encode(clips(1, 10 * RATE), [0])[0].patches.shape == (1, 499, 1, 16)


def test_one_token_sees_400_samples(folders):
    encoder = asdcore.load_encoder("wavlm", checkpoint=folders("wavlm")[1])
    assert encoder.encode(clips(1, 400), [1])[1].patches.shape == (1, 1, 1, 16)
    assert encoder.encode(clips(1, 720), [1])[1].patches.shape == (1, 2, 1, 16)
    with pytest.raises(DataError, match="399 samples at 16000 Hz is too short for wavlm, which needs 400"):
        encoder.encode(clips(1, 399), [1])


@pytest.mark.parametrize("file", [True, False, None])
@pytest.mark.parametrize("keyword", [True, False, None])
def test_clips_are_normalized_as_the_keyword_says_then_the_file_then_the_library(file, keyword, folders, tmp_path):
    said = {} if file is None else {"do_normalize": file}
    folder = saved(folders("wavlm-large")[0], tmp_path, **said)
    encoder = asdcore.load_encoder("wavlm", checkpoint=folder, normalize=keyword)
    audio = clips(2, 8000)
    heard = encoder.front_end(torch.from_numpy(audio)).numpy()
    expected = transformers.Wav2Vec2FeatureExtractor(
        do_normalize=next(x for x in (keyword, file, True) if x is not None)
    )
    assert np.abs(heard - np.stack(expected(list(audio), sampling_rate=RATE)["input_values"])).max() < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_digital_silence_stays_finite(case, folders):
    encoder = asdcore.load_encoder(CASES[case][0], checkpoint=folders(case)[1])
    for tokens in encoder.encode(np.zeros((1, RATE), np.float32), encoder.layers).values():
        assert np.isfinite(tokens.patches).all()


@pytest.mark.parametrize("case", CASES)
def test_same_bits_whatever_clips_are_encoded_together(case, folders):
    encoder = asdcore.load_encoder(CASES[case][0], checkpoint=folders(case)[1])
    audio = clips(4, 6000)
    together = encoder.encode(audio)[encoder.layers[-1]].patches
    alone = np.concatenate([encoder.encode(clip[None])[encoder.layers[-1]].patches for clip in audio])
    assert np.array_equal(together, alone)


def test_blocks_above_the_highest_layer_wanted_do_not_run(folders):
    encoder = asdcore.load_encoder("data2vec", checkpoint=folders("data2vec")[1])
    ran = []
    for k, block in enumerate(encoder.model.encoder.layers, start=1):
        block.register_forward_hook(lambda *_, k=k: ran.append(k))
    encoder.encode(clips(1, 4000), [0, 2])
    assert ran == [1, 2]


def test_the_encoder_of_a_classifier_with_older_names_is_the_same(folders, tmp_path):
    folder = folders("hubert-large")[1]
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    state = load_file(folder / "model.safetensors")
    renamed = {"original0": "weight_g", "original1": "weight_v"}
    old = {f"hubert.{name.replace('parametrizations.weight.', '')}": value for name, value in state.items()}
    old = {
        name.replace(name.split(".")[-1], renamed.get(name.split(".")[-1], name.split(".")[-1])): value
        for name, value in old.items()
    }
    assert "hubert.encoder.pos_conv_embed.conv.weight_g" in old
    torch.save(
        old | {"lm_head.weight": torch.zeros(5, 16), "lm_head.bias": torch.zeros(5)}, tmp_path / "pytorch_model.bin"
    )
    audio = clips(1, 4000)
    tokens = [asdcore.load_encoder("hubert", checkpoint=one).encode(audio, [3])[3] for one in (folder, tmp_path)]
    assert np.array_equal(tokens[0].patches, tokens[1].patches)


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_list(folders, check_misfit):
    missing, unexpected = "encoder.layers.2.layer_norm.bias", "encoder.layers.3.layer_norm.bias"
    check_misfit("wavlm", folders("wavlm")[1], "WavLMModel", missing=missing, unexpected=unexpected)


def test_the_checkpoint_of_another_encoder_is_refused(folders):
    with pytest.raises(DataError, match="describes a model 'hubert'; needed is wavlm"):
        asdcore.load_encoder("wavlm", checkpoint=folders("hubert")[1])


@pytest.mark.parametrize("layer", [4, -1, "final", True, "0"])
def test_unknown_layer_is_refused(layer, folders):
    with pytest.raises(ValueError, match=r"wavlm has no layer .*its layers are \[0, 1, 2, 3\]"):
        asdcore.load_encoder("wavlm", checkpoint=folders("wavlm")[1]).encode(clips(1, 4000), [0, layer])


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
@pytest.mark.parametrize("case", ["wavlm", "hubert-large", "data2vec"])
def test_conforms(case, check, folders):
    check(lambda: asdcore.load_encoder(CASES[case][0], checkpoint=folders(case)[1]))
