"""The portfolio asdkit/raw-spec ranks clips as ASDKit's back-ends do: their formulas, with the libraries they call."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import soundfile
from imblearn.over_sampling import SMOTE
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

import asdcore


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def nearest(bank, rows):
    return NearestNeighbors(n_neighbors=1, metric="euclidean").fit(bank).kneighbors(rows)[0].mean(axis=1)


def scores_of_asdkit(train, is_target, test):
    """float32 features of train clips in the order of their names, and of test clips -> {system: (n_test,)}."""
    train, test = unit(train), unit(test)
    source, target = train[is_target == 0], train[is_target == 1]
    centres = unit(KMeans(n_clusters=16, random_state=0).fit(source).cluster_centers_)
    smote = SMOTE(sampling_strategy=0.2, random_state=0, k_neighbors=2)
    filled, labels = smote.fit_resample(train, is_target)
    local = np.sort(pairwise_distances(train), axis=0)[1:5].mean(axis=0)
    return {
        "knn": np.minimum(nearest(source, test), nearest(target, test)) / 2,
        "kmeans16": np.square(nearest(np.concatenate([centres, target]), test)) / 2,
        "smote": np.minimum(nearest(source, test), nearest(unit(filled)[labels == 1], test)) / 2,
        "rescale": (pairwise_distances(test, train) / local).min(axis=1),
    }


def features(root, clips):
    """Clips of one machine -> (n_clips, 128) float32, each brought to 6 s."""
    encoder = asdcore.load_encoder("melspec", seconds=6)
    spectra = [encoder.encode(soundfile.read(root / clip, dtype="float32")[0][None], [0])[0].patches for clip in clips]
    return np.array([spectrum[0, :, :, 0].mean(axis=0, dtype=np.float64) for spectrum in spectra], np.float32)


@pytest.fixture(scope="module")
def finished(make_dataset, tmp_path_factory):
    """The folder of a small dataset, and the portfolio's run on it."""
    folder = tmp_path_factory.mktemp("asdkit")
    data = make_dataset(folder / "data", ("fan",), source=80, target=6, test=10, channels=1)
    return data, asdcore.run("asdkit/raw-spec", data=data, out=folder / "run", store=folder / "store")


def test_test_clips_rank_as_in_asdkit(finished):
    data, run = finished
    names = sorted(str(path.relative_to(data)) for path in data.rglob("*.wav"))
    train, test = [name for name in names if "/train/" in name], [name for name in names if "/test/" in name]
    is_target = np.array(["_target_" in name for name in train]).astype(int)
    expected = scores_of_asdkit(features(data, train), is_target, features(data, test))
    rows = run.systems.filter((pl.col("role") == "test") & pl.col("clip").is_in(test))
    assert set(rows["system"]) == set(expected)
    for system, scores in expected.items():
        found = dict(rows.filter(system=system).select("clip", "score").iter_rows())
        assert np.array_equal(np.argsort([found[name] for name in test]), np.argsort(scores)), system


def test_train_normals_are_scored_by_banks_without_them(finished):
    _, run = finished
    rows = run.systems.filter(role="oof")
    # Against a bank with itself, as ASDKit does it, each would be at no distance. Here two are alike only where each is
    # the nearest of the other.
    assert (rows.group_by("system").agg(pl.col("score").n_unique())["score"] >= 43).all()
    assert rows.height == 4 * 86
