"""The encoder ``discriminative``: one seed gives one network, killed or not, and bad input one clear message."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import asdcore
from asdcore import DataError, PluginError
from asdcore.contract.source_code.files import source_files
from asdcore.testing import checks
from asdcore_plugins.encoders.beats import BEATs
from asdcore_plugins.encoders.discriminative import Discriminative
from asdcore_plugins.encoders.eat import EAT
from asdcore_plugins.encoders.logmel import LogMel
from asdcore_plugins.encoders.melspec import MelSpec
from asdcore_plugins.trained.augmentations.by_name import AUGMENTATIONS
from asdcore_plugins.trained.losses.by_name import LOSSES
from asdcore_plugins.trained.losses.head import Loss
from asdcore_plugins.trained.networks.by_name import NETWORKS

SMALL = {
    "network": {"name": "multi_branch", "fft": False, "stft": [128, 256], "width": 16},
    "loss": {"name": "sub_cluster_adacos", "sub_clusters": 2, "trainable": True},
    "augment": ["mixup"],
    "seconds": 0.3,
    "epochs": 2,
    "batch": 4,
}
RATE = 16000


@dataclasses.dataclass
class Clips:
    """Tones of two machines with two attributes each, of several lengths."""

    machine: list[str]
    attributes: list[str]
    lengths: tuple[int, ...] = (4800, 3000, 6000)
    sample_rate: int = RATE
    broken: int | None = None

    def __post_init__(self):
        n = len(self.machine)
        self.section, self.domain = ["00"] * n, ["source"] * n
        self.n_samples = [self.lengths[i % len(self.lengths)] for i in range(n)]

    def __len__(self):
        return len(self.machine)

    def audio(self, i):
        time = np.arange(self.n_samples[i]) / RATE
        pitch = 300.0 + 700.0 * (self.machine[i] == "valve") + 150.0 * (self.attributes[i] == "fast")
        tone = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.05 * np.random.default_rng(i).standard_normal(len(time))
        tone = tone.astype(np.float32)
        tone.flags.writeable = False
        return tone * np.float32(np.nan) if i == self.broken else tone


def clips(n=11, **more):
    return Clips(["fan", "valve"] * (n // 2) + ["fan"] * (n % 2), (["slow", "slow", "fast", "fast"] * n)[:n], **more)


def build(**more):
    return asdcore.load_encoder("discriminative", **SMALL | more)


def same(one, other):
    return one["classes"] == other["classes"] and all(
        np.array_equal(one["network"][name], other["network"][name]) for name in one["network"]
    )


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(77)
    return build().fit(clips(), seed=3)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(trained, threads):
    torch.manual_seed(78)
    with threads(2):
        assert same(build().fit(clips(), seed=3).state(), trained.state())
    assert not same(build().fit(clips(), seed=4).state(), trained.state())


def test_a_killed_training_goes_on_to_the_same_bits(kept_training, trained):
    watch = kept_training(until=1)
    with pytest.raises(KeyboardInterrupt):
        build().fit(clips(), seed=3, training=watch)
    again = kept_training(watch.kept)
    assert same(build().fit(clips(), seed=3, training=again).state(), trained.state())
    assert again.shown[0] == (4, 6)  # 11 clips in batches of 4 are 4 + 4 + 3


def test_whatever_is_put_together_trains_and_comes_back():
    augment = ["noise", {"name": "speed", "probability": 1.0}, "pitch", {"name": "mixup", "label": "new_class"}]
    parts = {"loss": {"name": "supervised_contrastive", "classification": 1.0}, "augment": augment, "epochs": 1}
    encoder = build(**parts).fit(clips(), seed=3)
    assert same(build(**parts).restore(encoder.state()).state(), encoder.state())
    assert len(encoder.state()["classes"]) == 4  # that of the blends has no clips, and no name


def test_it_says_the_cost_once_and_shows_every_step(kept_training):
    watch = kept_training()
    build().fit(clips(), seed=3, training=watch)
    assert [steps for steps, _ in watch.costs] == [6]
    assert watch.costs[0][1] > 0
    assert watch.shown == [(i, 6) for i in range(1, 7)]


def test_restored_it_encodes_to_the_same_bits_alone_and_together(trained):
    other = build().restore(trained.state())
    audio = np.stack([clips(lengths=(4000,)).audio(i) for i in range(3)])
    tokens, again = trained.encode(audio, trained.layers), other.encode(audio, other.layers)
    alone = other.encode(audio[1:2], other.layers)
    for layer in trained.layers:
        assert np.array_equal(tokens[layer].patches, again[layer].patches)
        assert np.array_equal(tokens[layer].patches[1], alone[layer].patches[0])
    parts = np.concatenate([tokens[layer].patches for layer in ("stft128", "stft256")], axis=3)
    assert np.array_equal(parts, tokens["embedding"].patches)
    assert tokens["embedding"].patches.shape == (3, 1, 1, 32)


def test_it_learns_to_tell_classes_apart():
    encoder = build(epochs=12, batch=8).fit(clips(24), seed=0)
    of = clips(24, lengths=(4800,))
    z = encoder.encode(np.stack([of.audio(i) for i in range(24)]))["embedding"].patches[:, 0, 0]
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    kind = [f"{machine}{attribute}" for machine, attribute in zip(of.machine, of.attributes, strict=True)]
    near = z @ z.T - 2 * np.eye(24)
    assert np.mean([kind[i] == kind[j] for i, j in enumerate(near.argmax(axis=1))]) >= 0.9


@pytest.mark.parametrize(
    "more",
    [
        {"augment": [{"name": "statex", "axis": "frequency"}, {"name": "featex", "probability": 0.7}]},
        {"augment": ["specaug", {"name": "specaug", "stage": "magnitude", "time_width": 5}]},
        {"loss": {"name": "featex", "sub_clusters": 2}},
        {"loss": {"name": "subspace", "sub_clusters": 2}},
        {"loss": {"name": "adacos", "dynamic": True, "trainable": True}, "warm_up": 3},
        {"loss": {"name": "adaproj", "subspace_dim": 4}},
        {"loss": {"name": "arcface"}, "labels": {"by": ["machine", "attribute"]}},
    ],
)
def test_every_composition_trains_and_resumes(kept_training, more):
    watch = kept_training(until=1)
    with pytest.raises(KeyboardInterrupt):
        build(**more).fit(clips(), seed=1, training=watch)
    resumed = build(**more).fit(clips(), seed=1, training=kept_training(watch.kept))
    assert same(resumed.state(), build(**more).fit(clips(), seed=1).state())


def test_a_last_clip_alone_joins_the_batch_before(monkeypatch):
    sizes = []
    forward = Loss.forward
    monkeypatch.setattr(Loss, "forward", lambda self, z, y: sizes.append(len(z)) or forward(self, z, y))
    build(epochs=1).fit(clips(9), seed=0)
    assert sizes == [4, 5]


def test_too_little_memory_halves_the_batch_and_says_so(kept_training, monkeypatch):
    forward = Loss.forward

    def limited(self, z, y):
        if len(z) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes")
        return forward(self, z, y)

    monkeypatch.setattr(Loss, "forward", limited)
    watch = kept_training()
    state = build().fit(clips(8), seed=0, training=watch).state()
    assert state["batch"] == 2
    assert "batch halved to 2: out of memory" in watch.notes
    monkeypatch.setattr(Loss, "forward", forward)
    assert same(state, build(batch=2).fit(clips(8), seed=0).state())


def test_a_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_epoch(kept_training, monkeypatch):
    forward, steps = Loss.forward, []
    monkeypatch.setattr(
        Loss,
        "forward",
        lambda self, z, y: (
            forward(self, z, y) * (np.nan if len(steps) == 4 else 1.0 + 0 * len(steps.append(1) or steps))
        ),
    )
    watch = kept_training()
    with pytest.raises(DataError, match=r"loss is nan at step 5, with a scale of 2.*learning rate of 0.001"):
        build().fit(clips(), seed=0, training=watch)
    assert watch.kept[0] == 1


def test_sound_that_is_not_finite_is_named():
    with pytest.raises(DataError, match="sound holds values that are not finite: repair the clip"):
        build().fit(clips(broken=2), seed=0)


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        (clips(1), {}, "all 1 train clips are of one class"),
        (
            Clips(["fan"] * 4, ["slow"] * 4),
            {},
            r"one class, 'fan---0---slow---0': there is nothing to tell apart. Train on",
        ),
        (clips(2), {"loss": {"name": "adacos"}}, "adacos needs at least 3 classes and there are 2"),
        (clips(8, sample_rate=8000), {}, "train clips have 8000 Hz"),
    ],
)
def test_what_cannot_be_trained_on(given, more, message):
    with pytest.raises(DataError, match=message):
        build(**more).fit(given, seed=0)


def test_one_machine_alone_and_classes_of_one_clip_are_noted(kept_training):
    watch = kept_training()
    build(epochs=1).fit(Clips(["fan"] * 5, ["slow", "slow", "fast", "fast", "odd"]), seed=0, training=watch)
    assert any(note.startswith("one machine alone (fan) makes 3 classes") for note in watch.notes)
    assert any("1 of 3 classes have a single clip" in note for note in watch.notes)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"network": {"name": "multi_branch"}, "seconds": 4},
            "4.00 s are too short for the branch fft, which needs 4.38 s",
        ),
        ({"network": "multi_branch"}, "network must be a table with a name"),
        ({"network": {"name": "vgg"}}, "no network 'vgg'; allowed are beats_lora, eat_lora, multi_branch"),
        ({"network": {"name": "eat_lora", "rank": 4, "alpha": 8}}, "at the top level of the encoder, checkpoint ="),
        ({"loss": {"name": "triplet"}}, "no loss 'triplet'"),
        ({"loss": {"name": "arcface", "margin": 9}}, "margin 9"),
        ({"augment": ["reverb"]}, "no augmentation 'reverb'"),
        ({"labels": {"by": ["speed"]}}, "labels.by must be some of"),
        ({"labels": {"pseudo": {"clusters": 4}}}, "labels.pseudo must have encoder and clusters"),
        ({"labels": {"of": []}}, "labels has no parameter 'of'"),
        ({"batch": 1}, "batch must be a whole number from 2"),
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"seconds": 0}, "seconds must be a number above 0"),
        ({"scope": "section"}, "scope must be one of all, machine"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"device": "cuda:7"}, "device 'cuda:7' cannot be used"),
    ],
)
def test_parameters_are_checked_before_anything_is_trained(more, message):
    with pytest.raises(PluginError, match=message):
        build(**more)


def test_it_must_be_trained_before_it_encodes(trained):
    with pytest.raises(DataError, match="has not been trained"):
        build().encode(np.zeros((1, 4800), np.float32))
    with pytest.raises(DataError, match="does not fit"):
        build(network=SMALL["network"] | {"stft": [128]}).restore(trained.state())


def test_every_part_that_may_be_chosen_counts_as_source_of_a_training():
    counted = set(source_files(Path(inspect.getfile(Discriminative)))[1])
    parts = [*NETWORKS.values(), *LOSSES.values(), *AUGMENTATIONS.values(), BEATs, EAT, LogMel, MelSpec]
    assert [part for part in parts if Path(inspect.getfile(part)) not in counted] == []


TRAINED = (
    *("check_scope", "check_training_returns_self", "check_trained_twice_gives_the_same_bits"),
    *("check_training_forgets", "check_unseen_clips_change_nothing", "check_asks_for_train_clips_alone"),
    *("check_learns_without_attributes", "check_resumes_to_the_same_bits", "check_state_holds_what_can_be_kept"),
    *("check_restores_exactly", "check_no_batch_statistics", "check_short_and_long_clips"),
)


def test_it_passes_the_checks_of_trainable_encoders():
    least = {"network": {"name": "multi_branch", "fft": False, "stft": [128], "width": 8}, "batch": 16}
    every = checks("encoder")
    for name in TRAINED:
        every[name](lambda: build(**least))
