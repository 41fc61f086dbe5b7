"""k-means on distances alone: scikit-learn's clusters, and distances to centres that are never made."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import cluster

import asdcore
from asdcore import DataError
from asdcore_plugins.scorers.kmeans import MOST, clusters


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def grouped(rows, k):
    return clusters(np.square(np.linalg.norm(rows[:, None] - rows, axis=-1)), k)


@pytest.mark.parametrize("k", [1, 2, 5, 16])
def test_clusters_are_those_of_sklearn_from_the_same_start(data, k):
    rows = data(n_source=120, n_target=0)[0].astype(float)
    squares = np.square(np.linalg.norm(rows[:, None] - rows, axis=-1))
    seeds = [int(squares.sum(axis=1).argmin())]
    while len(seeds) < k:
        seeds.append(int(squares[seeds].min(axis=0).argmax()))
    oracle = cluster.KMeans(k, init=rows[seeds], n_init=1, tol=0, max_iter=300).fit(rows).labels_
    expected = {tuple(np.flatnonzero(oracle == one)) for one in range(k)}
    assert {tuple(one) for one in grouped(rows, k)} == expected


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_scores_are_distances_to_centres_and_target_clips(data, metric):
    train, domain, test = data()
    rows = unit(train.astype(float)) if metric == "cosine" else train.astype(float)
    source = rows[domain == "source"]
    centres = np.array([source[members].mean(axis=0) for members in grouped(source, 4)])
    scores = asdcore.load_scorer("kmeans", k=4, metric=metric).fit(train, domain).score(test)
    expected = asdcore.distances(test, centres, metric).min(axis=1)
    np.testing.assert_allclose(scores["source"], expected, rtol=1e-9)
    nearest = asdcore.distances(test, train[domain == "target"], metric).min(axis=1)
    np.testing.assert_allclose(scores["target"], nearest, rtol=1e-12)
    assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))


def test_more_centres_than_clips_make_every_clip_one(data):
    train, domain, test = data(n_source=9)
    scores = asdcore.load_scorer("kmeans").fit(train, domain).score(test)
    knn = asdcore.load_scorer("knn").fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], knn["pooled"], rtol=1e-9)


def test_repeated_opposite_and_single_domain_clips_stay_finite(data):
    train, domain, test = data()
    train[:20] = train[0]
    assert np.isfinite(asdcore.load_scorer("kmeans").fit(train, domain).score(test)["pooled"]).all()
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    fitted = asdcore.load_scorer("kmeans", k=1).fit(opposite, np.full(2, "source"))
    assert fitted.score(opposite)["pooled"] == pytest.approx([0.5, 0.5])
    for one in ("source", "target"):
        fitted = asdcore.load_scorer("kmeans").fit(train, np.full(len(train), one))
        assert list(fitted.score(test)) == ["pooled", one]


def test_train_normals_are_left_to_folds():
    assert not hasattr(asdcore.load_scorer("kmeans"), "score_left_out")


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("kmeans", k=4)
    same_bits_in_any_company("kmeans", metric="euclidean")


def test_a_bank_too_large_is_refused_before_anything_is_measured():
    class Distances:
        def __getitem__(self, rows):
            raise AssertionError("measured")

    with pytest.raises(DataError, match=r"kmeans needs 2 GB.*16001 source clips; up to 16000 are held. Use knn"):
        asdcore.load_scorer("kmeans").fit_distances(Distances(), np.full(MOST + 1, "source"))


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="k must be a whole number of at least 1, got 0"):
        asdcore.load_scorer("kmeans", k=0)
