"""Clusters that stand in for attributes: each machine alone, of its own train clips, the same every time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from asdcore import DataError
from asdcore_plugins.encoders.beats import BEATs
from asdcore_plugins.encoders.logmel import LogMel
from asdcore_plugins.encoders.melspec import MelSpec
from asdcore_plugins.stats.features import unit_rows
from asdcore_plugins.trained import pseudo_labels
from asdcore_plugins.trained.labels import build_labels
from asdcore_plugins.trained.pseudo_labels import METHODS, PseudoLabels, clustered

BEATS = Path(__file__).parents[2] / "golden" / "encoders" / "beats" / "checkpoint_pretrained.pt"


class Clips(SimpleNamespace):
    def __len__(self):
        return len(self.machine)


def tone(hertz, seed):
    time = np.arange(8000) / 16000
    noise = 0.01 * np.random.default_rng(seed).normal(size=8000)
    return (np.sin(2 * np.pi * hertz * time) + noise).astype(np.float32)


@pytest.fixture
def clips():
    """Two machines without attributes, each at two speeds, and one with them."""
    hertz = [300, 2000, 310, 2010, 500, 5000, 510, 5010, 900, 900]
    sounds = [tone(each, i) for i, each in enumerate(hertz)]
    return Clips(
        machine=["fan"] * 4 + ["valve"] * 4 + ["toy"] * 2,
        section=["00"] * 10,
        domain=["source"] * 10,
        attributes=[""] * 8 + ["a", "b"],
        sample_rate=16000,
        audio=lambda i: sounds[i],
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_tells_groups_apart_and_finds_no_more_than_differ(clips, method):
    found = PseudoLabels("melspec", clusters=2, method=method).attributes(clips, seed=0)
    assert found == ["pseudo00", "pseudo01"] * 4 + ["a", "b"]
    rows = np.array([[1, 0], [9, 0], [0, 1], [0, 5]], np.float32)
    assert clustered(rows, 4, seed=0, method=method).tolist() == [0, 0, 1, 1]
    assert clustered(rows[:2], 2, seed=0, method=method).tolist() == [0, 0]
    assert clustered(rows[:1], 2, seed=0, method=method).tolist() == [0]


def test_joining_is_wards_and_needs_no_seed():
    rows = unit_rows(np.random.default_rng(3).normal(size=(40, 5)).astype(np.float32))
    joined = fcluster(linkage(rows, "ward"), 6, "maxclust")
    ours = [clustered(rows, 6, seed=seed, method="agglomerative") for seed in (0, 1)]
    assert np.array_equal(*ours)
    assert len(set(zip(ours[0].tolist(), joined.tolist(), strict=True))) == 6


def test_too_many_clips_to_be_joined_are_refused(monkeypatch):
    monkeypatch.setattr("asdcore_plugins.trained.pseudo_labels.MOST", 3)
    with pytest.raises(DataError, match="4 clips of a machine are too many .* take method = 'kmeans'"):
        clustered(np.eye(4, dtype=np.float32), 2, seed=0, method="agglomerative")
    with pytest.raises(
        ValueError, match="labels.pseudo.method must be one of kmeans, gmm, agglomerative, got 'dbscan'"
    ):
        PseudoLabels("melspec", 2, method="dbscan")


@pytest.mark.parametrize("encoder", ["melspec", {"name": "logmel", "n_mels": 32}])
def test_clips_alike_share_a_cluster_and_given_attributes_stay(clips, encoder):
    found = PseudoLabels(encoder, clusters=2).attributes(clips, seed=0)
    assert found == ["pseudo00", "pseudo01"] * 4 + ["a", "b"]
    assert build_labels(clips, attributes=found).without_attribute == ()


def test_another_machine_changes_nothing(clips):
    alone = Clips(**{name: value[:4] for name, value in vars(clips).items() if isinstance(value, list)})
    alone.sample_rate, alone.audio = clips.sample_rate, clips.audio
    labels = PseudoLabels("melspec", clusters=3)
    assert labels.attributes(alone, seed=5) == labels.attributes(clips, seed=5)[:4]


def test_the_same_seed_gives_the_same_clusters():
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    again = [clustered(rows, 8, seed=1) for _ in range(2)]
    assert np.array_equal(*again)
    assert not np.array_equal(again[0], clustered(rows, 8, seed=2))


def test_loudness_makes_no_cluster_and_equal_clips_are_one():
    rows = np.array([[1, 0], [9, 0], [0, 1], [0, 5]], np.float32)
    assert clustered(rows, 4, seed=0).tolist() == [0, 0, 1, 1]


def test_another_sample_rate_is_refused(clips):
    clips.sample_rate = 32000
    with pytest.raises(DataError, match="hears 16000 Hz, the network that is trained 32000 Hz"):
        PseudoLabels("melspec", clusters=2).attributes(clips, seed=0)


@pytest.mark.parametrize(
    ("encoder", "clusters", "message"),
    [
        ("panns", 2, "must be one of beats, eat, logmel, melspec, got 'panns'"),
        ("melspec", 1, "labels.pseudo.clusters must be a whole number from 2"),
        ({"name": "melspec", "mels": 3}, 2, "must be one of sample_rate, n_mels, n_fft, hop, seconds, log, got 'mels'"),
        ({"name": "melspec", "n_fft": -4}, 2, "n_fft"),
        ("beats", 2, "needs a checkpoint at the top level of the encoder"),
        ({"name": "beats", "checkpoint": "x.pt"}, 2, "write it at the top level"),
    ],
)
def test_what_makes_no_labels_is_refused_before_a_training(encoder, clusters, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabels(encoder, clusters)


def test_the_frozen_network_is_that_of_the_checkpoint_at_the_top(clips):
    labels = PseudoLabels("beats", 2, checkpoint=BEATS)
    found = labels.attributes(clips, seed=0)
    assert set(found[:8]) == {"pseudo00", "pseudo01"}
    assert found[8:] == ["a", "b"]


@pytest.mark.parametrize(
    ("built", "n_samples"),  # several blocks, whose sizes are an encoder's own
    [
        (lambda: LogMel(n_mels=16), 1_200_000),
        (lambda: MelSpec(n_mels=16), 1_200_000),
        (lambda: BEATs(BEATS, window_seconds=0.2), 40_000),
    ],
    ids=["logmel", "melspec", "beats"],
)
def test_a_long_clip_is_encoded_in_blocks_to_the_same_feature(clips, monkeypatch, built, n_samples):
    encoder, sound = built(), np.random.default_rng(0).normal(size=n_samples)
    clips.audio = lambda _: sound.astype(np.float32)
    whole = pseudo_labels._feature(encoder, clips, 0)
    monkeypatch.setattr(pseudo_labels, "LONG", 1000)
    assert pseudo_labels._feature(encoder, clips, 0).tobytes() == whole.tobytes()


def test_a_clip_too_long_for_the_frozen_network_is_refused_with_what_to_type(clips):
    sound = np.ones(round(16_000 * (1 + BEATs(BEATS).longest)), np.float32)
    clips.audio = lambda _: sound
    message = r"lasts .*\. Encoder 'beats' hears a clip at once, .* name = 'beats', window_seconds = 10"
    with pytest.raises(DataError, match=message):
        PseudoLabels("beats", 2, checkpoint=BEATS).attributes(clips, seed=0)
