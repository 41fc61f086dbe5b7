"""The table of encoders says what the registry says, and the registry what the encoders are and do."""

from __future__ import annotations

import json
import math

import pytest

from asdcore.contract.plugins import installed
from asdcore.errors import ResourceError
from asdcore.resources.entries import entry_text, load_entry, make_entry
from benchmarks import encoders, hollow_checkpoints

ENTRIES = {path.stem: load_entry(path) for path in encoders.REGISTRY.glob("*.toml")}
CHECKPOINTS = {name: entry for name, entry in ENTRIES.items() if entry.kind == "checkpoint"}

ONE_OF_EACH = (
    "ast-audioset",
    "audiomae-finetuned",
    "beats-iter3-plus-as2m-finetuned-on-as2m-cpt2",
    "ced-tiny",
    "clap-htsat-fused",
    "dasheng-base",
    "eat-large-finetuned-as2m",
    "echo-small",
    "efficientat-dymn04",
    "efficientat-mn10",
    "fisher-tiny",
    "hubert-base",
    "panns-cnn14-16k",
    "passt-s-swa",
    "whisper-tiny",
)

LEARNED = {
    "audiomae-finetuned": ("audiomae/keys_finetuned", ("head.",)),
    # Its weight normalization, a gain for each of 128 taps, becomes part of the weight when it is read.
    "beats-iter3-plus-as2m": ("beats/keys", ("encoder.pos_conv.0.weight_g",)),
    "beats-iter1-finetuned-on-as2m-cpt1": ("beats/keys_finetuned", ("encoder.pos_conv.0.weight_g", "predictor.")),
    "dasheng-base": ("dasheng/keys", ()),
    "eat-base-finetuned-as2m": ("eat/keys_hf_finetune", ("model.head.",)),
    "eat-base-pretrain": ("eat/keys", ()),
    "eat-large-pretrain": ("eat/keys_hf_large_pretrain", ()),
    "efficientat-mn04": ("efficientat_mn04_real/keys", ("classifier.",)),
    "efficientat-mn10": ("efficientat_mn10/keys", ("classifier.",)),
    "panns-cnn14": ("panns_cnn14/keys", ("fc_audioset.",)),
    "panns-cnn6": ("panns_cnn6/keys", ("fc_audioset.",)),
    "panns-mobilenetv1": ("panns_mobilenetv1/keys", ("fc_audioset.",)),
    "passt-s-swa": ("passt/keys", ("head.", "head_dist.")),
}
"""Where the authors' own code was counted, and what of that the encoder does not run."""

COST = {
    "audiomae-pretrained": ("audiomae/keys", "MACs_encoder_10s_clip_1024x128_513_tokens", 0),
    "beats-iter3": ("beats/keys", "MACs_10s_clip_998_frames_496_tokens", 0),
    "dasheng-base": ("dasheng/keys", "MACs_10s_clip_1001_frames_250_tokens", 0),
    "eat-base-pretrain": ("eat/keys", "MACs_10s_clip_1024x128_513_tokens", 0),
    "efficientat-mn04": ("efficientat_mn04_real/keys", "MACs_10s_clip_128x1000", 384 * 512 + 512 * 527),
    "efficientat-mn10": ("efficientat_mn10/keys", "MACs_10s_clip_128x1000", 960 * 1280 + 1280 * 527),
    "panns-cnn14": ("panns_cnn14/keys", "MACs_network_alone", 2048 * 527),
    "panns-cnn6": ("panns_cnn6/keys", "MACs_network_alone", 512 * 527),
    "panns-mobilenetv1": ("panns_mobilenetv1/keys", "MACs_network_alone", 1024 * 527),
    "passt-s-swa": ("passt/keys", "MACs_10s_clip_128x1000_1190_tokens", 768 * 527),
}
"""The same for multiply-accumulates; the number is what the classifier takes."""


SIZES = {
    **{f"ced-{size}": ("ced/keys", size, "n_parameters_encoder", "MACs_10s_encoder") for size in ("tiny", "mini")},
    **{f"ced-{size}": ("ced/keys", size, "n_parameters_encoder", "MACs_10s_encoder") for size in ("small", "base")},
    "echo-small": ("echo/keys", "small", "n_values_without_pos_embed", "MACs_10s_16000Hz"),
    "echo-tiny": ("echo/keys", "tiny", "n_values_without_pos_embed", "MACs_10s_16000Hz"),
    "fisher-tiny": ("fisher/keys", "tiny", "n_values_without_position_table", "MACs_10s_16000Hz"),
    "fisher-mini": ("fisher/keys", "mini", "n_values_without_position_table", "MACs_10s_16000Hz"),
    "fisher-small": ("fisher/keys", "small", "n_values_without_position_table", "MACs_10s_16000Hz"),
}
"""Parameters and multiply-accumulates of the authors' code where a list has several sizes."""


def published(name):
    return json.loads((hollow_checkpoints.GOLDEN / f"{name}.json").read_text())


def test_the_page_is_what_the_registry_says():
    assert encoders.TABLE.read_text() == encoders.table(), "run 'make encoders'"


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_recorded_facts_are_those_of_the_network(name):
    entry = CHECKPOINTS[name]
    assert encoders.measure(entry) == entry.facts, "run 'make encoders'"


@pytest.mark.parametrize("name", LEARNED)
def test_parameters_are_those_of_the_authors_without_what_is_not_run(name):
    file, left_out = LEARNED[name]
    found = published(file)
    unused = sum(math.prod(shape) for key, shape in found["keys"].items() if key.startswith(left_out))
    assert CHECKPOINTS[name].facts.parameters == found["n_parameters_trainable_unique"] - unused


@pytest.mark.parametrize("name", COST)
def test_macs_are_those_of_the_authors_without_the_classifier(name):
    file, key, classifier = COST[name]
    assert CHECKPOINTS[name].facts.macs == published(file)[key] - classifier


@pytest.mark.parametrize("name", SIZES)
def test_every_size_has_the_authors_parameters_and_macs(name):
    file, size, parameters, macs = SIZES[name]
    found, facts = published(file)[size], CHECKPOINTS[name].facts
    assert (facts.parameters, facts.macs) == (found[parameters], found[macs])


@pytest.mark.parametrize("size", ["base", "large"])
def test_openbeats_has_the_parameters_and_macs_of_its_authors(size):
    found, facts = published("openbeats/keys")[size], CHECKPOINTS[f"openbeats-{size}"].facts
    # Their code also convolves a mask of padding, with 16 x 16 ones, to the 496 tokens.
    assert facts.macs == found["MACs_10s_998_frames_496_tokens"] - 496 * 16 * 16
    # Left out: two tensors of ones for masks, and the gain of 128 taps, which becomes part of the weight.
    assert facts.parameters == found["n_parameters"] - 16 * 16 - 400 - 128


@pytest.mark.parametrize("rate", [25600, 48000])
@pytest.mark.parametrize("name", ["echo-small", "fisher-small"])
def test_macs_at_other_sample_rates_are_those_of_the_authors(name, rate):
    measured = encoders.measure(CHECKPOINTS[name].model_copy(update={"use": {"sample_rate": rate}}))
    assert (measured.sample_rate, measured.macs) == (rate, published(SIZES[name][0])["small"][f"MACs_10s_{rate}Hz"])


def test_checkpoints_of_one_network_have_the_same_facts():
    beats = {e.facts for name, e in CHECKPOINTS.items() if e.plugin == "beats" and name != "openbeats-large"}
    assert len(beats) == 1
    assert CHECKPOINTS["sslam-pretrain"].facts == CHECKPOINTS["eat-base-pretrain"].facts


def test_a_checkpoint_without_facts_says_why():
    unmeasured = {name for name, entry in CHECKPOINTS.items() if entry.facts is None}
    assert unmeasured == set(encoders.UNMEASURED)
    assert all(CHECKPOINTS[name].notes for name in unmeasured)


def test_every_bundled_encoder_is_in_the_table():
    cells = {cell.strip() for line in encoders.TABLE.read_text().splitlines() for cell in line.split("|")}
    bundled = {one.name for one in installed().components("encoder").values() if one.distribution == "asdcore"}
    assert len(bundled) > 10
    assert bundled <= cells


def test_an_entry_whose_network_nobody_described_is_named():
    with pytest.raises(ResourceError, match=r"passt-s-new is an entry .*benchmarks/hollow_checkpoints.py"):
        encoders.measure(CHECKPOINTS["passt-s-swa"].model_copy(update={"id": "passt-s-new"}))


def test_layers_in_a_row_are_written_as_a_range():
    assert encoders._layers((0, 1, 2, "contextual", "final")) == "0-2, contextual, final"
    assert encoders._layers((0,)) == "0"
    assert encoders._layers(("scene", "timestamp")) == "scene, timestamp"
    assert encoders._layers((0, 3, 4, 5)) == "0, 3-5"


FACTS = {"sample_rate": 16000, "tokens": [62, 8], "dim": 768, "layers": [0, 1, "final"]}


def entry_with(facts, **changed):
    values = CHECKPOINTS["passt-s-swa"].model_dump(exclude={"facts"}) | {"facts": facts} | changed
    return make_entry(values, "entry")


@pytest.mark.parametrize("more", [{}, {"special": 2, "parameters": 90_311_664, "macs": 49_303_912_448}])
def test_facts_are_written_and_read_back(more, tmp_path):
    entry = entry_with(FACTS | more)
    path = tmp_path / "passt-s-swa.toml"
    path.write_text(entry_text(entry))
    assert load_entry(path) == entry
    assert ("special" in path.read_text()) == bool(more)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dims": 768}, r"facts.dims: no such key. Did you mean 'dim'\?"),
        ({"dim": 0}, "facts.dim: .*greater than 0, got 0"),
        ({"dim": 768.0}, "facts.dim: .*valid integer, got 768.0"),
        ({"tokens": [62]}, "facts.tokens.1: this key is needed"),
        ({"layers": []}, "facts.layers: .*at least 1 item"),
        ({"layers": [True]}, "facts.layers.0"),
        ({"macs": -1}, "facts.macs: .*greater than 0, got -1"),
        ({"sample_rate": None}, "facts.sample_rate: .*valid integer, got None"),
    ],
)
def test_a_wrong_fact_is_named(changed, said):
    with pytest.raises(ResourceError, match=said):
        entry_with(FACTS | changed)


def test_a_dataset_has_no_facts():
    dataset = next(entry for entry in ENTRIES.values() if entry.kind == "dataset")
    with pytest.raises(ResourceError, match="facts: only a checkpoint has them, this is a dataset"):
        make_entry(dataset.model_dump() | {"facts": FACTS}, "entry")
