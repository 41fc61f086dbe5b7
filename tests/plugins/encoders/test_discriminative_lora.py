"""Pre-trained networks fine-tuned by ``discriminative``: only what was trained is kept, and a kill changes nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import asdcore
from asdcore import PluginError

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders"
LORA = {"rank": 2, "alpha": 8, "dim": 6}
NETWORKS = {
    "beats_lora": {"checkpoint": GOLDEN / "beats" / "checkpoint_pretrained.pt", "network": {"layer_drop": 0.5, **LORA}},
    "eat_lora": {"checkpoint": GOLDEN / "eat" / "hf_pretrain", "network": {"num_heads": 4, "drop_path": 0.5, **LORA}},
}


def load(name, **more):
    given = NETWORKS[name]
    return asdcore.load_encoder(
        "discriminative",
        checkpoint=given["checkpoint"],
        network={"name": name, **given["network"]},
        loss={"name": "sub_cluster_adacos", "sub_clusters": 2, "trainable": True},
        augment=["mixup"],
        **{"seconds": 0.5, "epochs": 2, "batch": 3, "learning_rate": 1e-2, "warm_up": 2} | more,
    )


class Clips(SimpleNamespace):
    def __len__(self):
        return len(self.machine)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    sounds = [(0.1 * rng.standard_normal(8000) * (1 + i % 2)).astype(np.float32) for i in range(6)]
    return Clips(
        machine=["fan", "valve"] * 3,
        section=["00"] * 6,
        domain=["source"] * 6,
        attributes=[""] * 6,
        sample_rate=16000,
        n_samples=[8000] * 6,
        audio=lambda i: sounds[i],
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_killed_fine_tuning_goes_on_to_the_same_bits_and_keeps_no_checkpoint(kept_training, clips, name):
    whole = load(name).fit(clips, 3).state()
    killed = kept_training(until=1)
    with pytest.raises(KeyboardInterrupt):
        load(name).fit(clips, 3, killed)
    resumed = load(name).fit(clips, 3, kept_training(killed.kept)).state()
    assert all(np.array_equal(values, resumed["network"][key]) for key, values in whole["network"].items())
    assert any("lora_A" in key for key in whole["network"])
    assert all(key.startswith(("head.", "pooling.")) or ".lora_" in key for key in whole["network"])


@pytest.mark.parametrize("name", NETWORKS)
def test_restored_beside_its_checkpoint_it_encodes_to_the_same_bits(clips, name):
    trained = load(name).fit(clips, 0)
    sound = np.stack([clips.audio(i) for i in range(2)])
    restored = load(name).restore(trained.state())
    before, after = (encoder.encode(sound)["embedding"].patches for encoder in (trained, restored))
    assert before.shape == (2, 1, 1, 6)
    assert np.array_equal(before, after)
    fresh = load(name).as_if_trained().encode(sound)["embedding"].patches
    assert not np.array_equal(before, fresh)


def test_pseudo_labels_may_be_heard_by_the_same_frozen_network(kept_training, clips):
    watch = kept_training()
    labels = {"pseudo": {"encoder": "beats", "clusters": 2}}
    classes = load("beats_lora", labels=labels, epochs=1).fit(clips, 0, watch).state()["classes"]
    assert classes == [f"{machine}---0---pseudo{k:02d}---0" for machine in ("fan", "valve") for k in (0, 1)]
    assert not any("without an attribute" in note for note in watch.notes)


def test_seconds_that_are_too_few_for_the_network_are_refused_with_those_needed():
    with pytest.raises(PluginError, match=r"seconds is 0.1; the network 'beats_lora' needs 0.17"):
        load("beats_lora", seconds=0.1)
