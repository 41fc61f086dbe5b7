"""k-means: scikit-learn's clusters, each clip's distance to the nearest centre or target clip."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from sklearn import cluster

import asdcore
from asdcore import DataError
from asdcore.testing import checks


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("k", "seed"), [(1, 0), (4, 0), (16, 0), (16, 7)])
def test_a_seed_gives_the_centres_of_scikit_learn_in_the_order_of_fit(data, metric, k, seed):
    train, domain, test = data(n_source=120)
    source = train[domain == "source"]
    centres = cluster.KMeans(k, random_state=seed).fit(unit(source) if metric == "cosine" else source).cluster_centers_
    scores = asdcore.load_scorer("kmeans", k=k, metric=metric, seed=seed).fit(train, domain).score(test)
    expected = asdcore.distances(test, centres, metric).min(axis=1)
    np.testing.assert_allclose(scores["source"], expected, rtol=1e-6)
    nearest = asdcore.distances(test, train[domain == "target"], metric).min(axis=1)
    assert np.array_equal(scores["target"], nearest)
    assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))


def test_the_order_of_clips_matters_under_a_seed_alone(data):
    train, domain, test = data(n_source=120)
    other = np.random.default_rng(1).permutation(len(train))

    def scores(order, seed):
        return asdcore.load_scorer("kmeans", seed=seed).fit(train[order], domain[order]).score(test)["pooled"]

    assert np.array_equal(scores(slice(None), None), scores(other, None))
    assert not np.allclose(scores(slice(None), 0), scores(other, 0), rtol=1e-3)


def test_more_centres_than_clips_make_every_clip_one(data):
    train, domain, test = data(n_source=9)
    scores = asdcore.load_scorer("kmeans").fit(train, domain).score(test)
    knn = asdcore.load_scorer("knn").fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], knn["pooled"], rtol=1e-4)


def test_repeated_opposite_and_single_domain_clips_stay_finite(data):
    train, domain, test = data()
    train[:20] = train[0]
    train[20:25] = 3 * train[0]
    assert np.isfinite(asdcore.load_scorer("kmeans").fit(train, domain).score(test)["pooled"]).all()
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    fitted = asdcore.load_scorer("kmeans", k=1).fit(opposite, np.full(2, "source"))
    assert fitted.score(opposite)["pooled"] == pytest.approx([0.5, 0.5])
    for one in ("source", "target"):
        fitted = asdcore.load_scorer("kmeans").fit(train, np.full(len(train), one))
        assert list(fitted.score(test)) == ["pooled", one]


def test_a_hundred_thousand_source_clips_are_summed_up():
    train = np.random.default_rng(0).normal(size=(100_000, 8)).astype(np.float32)
    fitted = asdcore.load_scorer("kmeans", k=4).fit(train, np.full(len(train), "source"))
    assert np.isfinite(fitted.score(train[:3])["source"]).all()


def test_train_normals_are_left_to_folds():
    assert not hasattr(asdcore.load_scorer("kmeans"), "score_left_out")


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("kmeans", k=4)
    same_bits_in_any_company("kmeans", metric="euclidean", seed=0)


@pytest.mark.parametrize("name", [name for name in checks("scorer") if name != "check_train_order_is_irrelevant"])
def test_conforms_under_a_seed_but_for_the_order_of_clips(name):
    checks("scorer")[name](functools.partial(asdcore.load_scorer, "kmeans", seed=0))


def test_one_clip_is_refused():
    one = np.ones((1, 3), np.float32)
    with pytest.raises(
        DataError, match="kmeans needs at least 2 train normals in one of its references pooled, source"
    ):
        asdcore.load_scorer("kmeans").fit(one, np.array(["source"]))
    with pytest.raises(DataError, match="call fit"):
        asdcore.load_scorer("kmeans").score(one)


def test_bad_parameters():
    with pytest.raises(asdcore.PluginError, match="k must be a whole number from 1 to 4294967295, got 0"):
        asdcore.load_scorer("kmeans", k=0)
    with pytest.raises(asdcore.PluginError, match="seed must be a whole number from 0 to 4294967295, got 0.5"):
        asdcore.load_scorer("kmeans", seed=0.5)
    with pytest.raises(asdcore.PluginError, match="metric must be one of cosine, euclidean, got 'l1'"):
        asdcore.load_scorer("kmeans", metric="l1")
    with pytest.raises(asdcore.PluginError, match="references must be some of pooled, source, target, got 'all'"):
        asdcore.load_scorer("kmeans", references="all")
