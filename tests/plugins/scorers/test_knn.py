"""k nearest neighbours: exact, leave-one-out in closed form, and the same bits for a clip in any company."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

import asdcore
from asdcore import DataError

BANKS = {"pooled": ("source", "target"), "source": ("source",), "target": ("target",)}


def data(n_source=30, n_target=10, n_test=20, dim=12, seed=0):
    rng = np.random.default_rng(seed)
    domain = np.array(["source"] * n_source + ["target"] * n_target)
    train = rng.normal(size=(len(domain), dim)) + 0.7 * (domain == "target")[:, None] + 0.4
    order = rng.permutation(len(domain))
    return train[order].astype(np.float32), domain[order], rng.normal(size=(n_test, dim)).astype(np.float32)


def brute_force(query, bank, k, metric):
    """Mean of the k smallest distances, straight from their definition."""
    distances = pairwise_distances(query.astype(float), bank.astype(float), metric=metric)
    nearest = np.sort(distances, axis=1)[:, :k].mean(axis=1)
    return nearest / 2 if metric == "cosine" else nearest


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_equals_sklearn(metric, k):
    train, domain, test = data()
    scores = asdcore.load_scorer("knn", k=k, metric=metric).fit(train, domain).score(test)
    assert list(scores) == list(BANKS)
    for reference, domains in BANKS.items():
        neighbours = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute")
        distances, _ = neighbours.fit(train[np.isin(domain, domains)].astype(float)).kneighbors(test.astype(float))
        expected = distances.mean(axis=1) / (2 if metric == "cosine" else 1)
        assert scores[reference].dtype == np.float64
        assert np.allclose(scores[reference], expected, rtol=1e-10, atol=0)


def test_cosine_by_hand():
    bank = np.array([[2.0, 0.0], [0.0, 3.0]], np.float32)
    query = np.array([[5.0, 0.0], [-1.0, 0.0], [1.0, 1.0]], np.float32)
    scores = asdcore.load_scorer("knn").fit(bank, np.array(["source", "source"])).score(query)
    assert scores["pooled"] == pytest.approx([0.0, 0.5, (1 - np.sqrt(0.5)) / 2], abs=1e-15)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2, 9, 100])
def test_left_out_is_the_score_of_a_bank_without_the_clip(metric, k):
    train, domain, _ = data(n_source=9, n_target=4)
    knn = asdcore.load_scorer("knn", k=k, metric=metric)
    left_out = knn.fit(train, domain).score_left_out()
    assert list(left_out) == list(BANKS)
    for i in range(len(train)):
        others = np.arange(len(train)) != i
        refitted = asdcore.load_scorer("knn", k=k, metric=metric).fit(train[others], domain[others])
        for reference, scores in refitted.score(train[[i]]).items():
            assert left_out[reference][i] == scores[0]
    for reference, domains in BANKS.items():
        i = int(np.flatnonzero(domain == "target")[0])
        bank = train[np.isin(domain, domains) & (np.arange(len(train)) != i)]
        assert left_out[reference][i] == pytest.approx(brute_force(train[[i]], bank, k, metric)[0], rel=1e-10)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_bank_smaller_than_k_gives_the_mean_over_what_there_is(metric):
    train, domain, test = data(n_source=4, n_target=3)
    fitted = asdcore.load_scorer("knn", k=50, metric=metric).fit(train, domain)
    scores, left_out = fitted.score(test), fitted.score_left_out()
    for reference, domains in BANKS.items():
        member = np.isin(domain, domains)
        assert np.allclose(scores[reference], brute_force(test, train[member], 50, metric), rtol=1e-10)
        first = int(np.flatnonzero(member)[0])
        rest = member & (np.arange(len(train)) != first)
        assert left_out[reference][first] == pytest.approx(
            brute_force(train[[first]], train[rest], 50, metric)[0], rel=1e-10
        )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_repeated_clip_is_its_own_nearest_neighbour(metric):
    train, domain, _ = data()
    train[5] = train[4]
    left_out = asdcore.load_scorer("knn", metric=metric).fit(train, domain).score_left_out()["pooled"]
    assert left_out[4] == left_out[5] == 0.0
    assert (np.delete(left_out, [4, 5]) > 0.01).all()


def test_a_bank_of_one_clip_is_left_out():
    train, domain, test = data(n_target=1)
    fitted = asdcore.load_scorer("knn").fit(train, domain)
    assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["pooled", "source"]
    with pytest.raises(DataError, match="at least 2 train normals in one of its references target"):
        asdcore.load_scorer("knn", references=["target"]).fit(train, domain)


def test_no_domain_but_one():
    train, domain, test = data(n_target=0)
    assert list(asdcore.load_scorer("knn").fit(train, domain).score(test)) == ["pooled", "source"]
    assert list(asdcore.load_scorer("knn").fit(train, np.full(30, "target")).score(test)) == ["pooled", "target"]


def test_only_the_references_asked_for():
    train, domain, test = data()
    fitted = asdcore.load_scorer("knn", references=["target"]).fit(train, domain)
    assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["target"]


def test_silence_is_like_silence_and_at_a_right_angle_to_sound():
    train, domain, test = data()
    test[:2], test[2] = 0.0, train[0] * 1e-30
    knn = asdcore.load_scorer("knn")
    assert knn.fit(train, domain).score(test)["pooled"][:3] == pytest.approx([0.5, 0.5, 0.0], abs=1e-12)
    train[3] = 0.0
    assert (knn.fit(train, domain).score(test)["pooled"][:2] == 0.0).all()
    assert knn.score_left_out()["pooled"][3] == pytest.approx(0.5)


def test_bank_against_itself_is_zero_but_left_out_is_not():
    train, domain, _ = data()
    fitted = asdcore.load_scorer("knn").fit(train, domain)
    assert (fitted.score(train)["pooled"] == 0).all()
    assert (fitted.score_left_out()["pooled"] > 0).all()


def hard_data(kind):
    """Banks on which |q|^2 + |b|^2 - 2 q.b alone picks other neighbours in another company."""
    rng = np.random.default_rng(1)
    steps = rng.integers(-2, 3, size=(260, 96))
    if kind == "float32 steps far from 0":
        features = np.float32(10_000.0) + np.float32(2.0**-10) * steps
    elif kind == "many alike":
        features = np.where(rng.random((260, 1)) < 0.8, steps[:1], steps) * np.float32(0.1)
    else:
        features = (1e3 * rng.normal(size=(260, 96)) ** 9).astype(np.float32)
    domain = np.array(["source"] * 100 + ["target"] * 30)
    return features[:130].astype(np.float32), domain, features[130:].astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["float32 steps far from 0", "many alike", "over many magnitudes"])
def test_hard_banks_equal_brute_force(kind, metric):
    train, domain, test = hard_data(kind)
    scores = asdcore.load_scorer("knn", k=3, metric=metric).fit(train, domain).score(test)
    bank, queries = train.astype(float), test.astype(float)
    if metric == "cosine":
        bank, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (bank, queries))
    gaps = np.square(queries[:, None] - bank).sum(axis=-1)
    nearest = np.sort(gaps, axis=1)[:, :3]
    expected = (nearest / 4 if metric == "cosine" else np.sqrt(nearest)).mean(axis=1)
    assert np.allclose(scores["pooled"], expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["float32 steps far from 0", "many alike", "over many magnitudes"])
@settings(max_examples=12, deadline=None)
@given(index=st.lists(st.integers(0, 129), min_size=1, max_size=150))
def test_same_bits_in_any_company(kind, metric, index):
    train, domain, test = hard_data(kind)
    knn = asdcore.load_scorer("knn", k=3, metric=metric).fit(train, domain)
    whole, part, one = knn.score(test), knn.score(test[index]), knn.score(test[index[:1]])
    for reference in BANKS:
        assert part[reference].tobytes() == whole[reference][index].tobytes()
        assert one[reference].tobytes() == whole[reference][index[:1]].tobytes()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_same_bits_for_any_threads_bank_order_and_memory_layout(metric):
    train, domain, test = hard_data("float32 steps far from 0")
    order = np.random.default_rng(0).permutation(len(train))
    expected = asdcore.load_scorer("knn", k=3, metric=metric).fit(train, domain).score(test)
    with threadpool_limits(2):
        threaded = asdcore.load_scorer("knn", k=3, metric=metric).fit(train, domain).score(test)
    shuffled = asdcore.load_scorer("knn", k=3, metric=metric).fit(train[order], domain[order]).score(test)
    fortran = asdcore.load_scorer("knn", k=3, metric=metric).fit(np.asfortranarray(train), domain)
    for reference, scores in expected.items():
        assert scores.tobytes() == threaded[reference].tobytes()
        assert scores.tobytes() == shuffled[reference].tobytes()
        assert scores.tobytes() == fortran.score(np.asfortranarray(test))[reference].tobytes()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["float32 steps far from 0", "many alike", "over many magnitudes"])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_same_bits_from_distances_as_from_features(kind, metric, k):
    train, domain, test = hard_data(kind)
    by_features = asdcore.load_scorer("knn", k=k, metric=metric).fit(train, domain)
    within = asdcore.distances(train, train, metric)
    shared = asdcore.load_scorer("knn", k=k, metric=metric).fit_distances(within, domain)
    found = shared.score_distances(asdcore.distances(test, train, metric))
    for reference, scores in by_features.score(test).items():
        assert found[reference].tobytes() == scores.tobytes()
    left_out = shared.score_left_out()
    for reference, scores in by_features.score_left_out().items():
        assert left_out[reference].tobytes() == scores.tobytes()
    assert (np.diag(within) == 0).all()


def test_fitted_on_distances_it_cannot_score_features():
    train, domain, test = data()
    fitted = asdcore.load_scorer("knn").fit_distances(asdcore.distances(train, train), domain)
    with pytest.raises(DataError, match="fitted on distances: call score_distances, or fit it on features"):
        fitted.score(test)


def test_huge_features_stay_finite():
    train, domain, test = data()
    scores = asdcore.load_scorer("knn", metric="euclidean").fit(train, domain).score(test * np.float32(1e37))
    assert np.isfinite(scores["pooled"]).all()


def test_memory_stays_far_below_every_pair_times_dimension():
    n, m, dim = 1200, 1200, 256
    rng = np.random.default_rng(0)
    train, test = (rng.normal(size=(size, dim)).astype(np.float32) for size in (n, m))
    knn = asdcore.load_scorer("knn", references=["pooled"]).fit(train, np.full(n, "source"))
    tracemalloc.start()
    try:
        knn.score(test)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * m * dim * 8 / 100
    assert peak < 8 * test.astype(float).nbytes


def test_frames_are_flattened():
    train, domain, test = data(dim=24)
    flat = asdcore.load_scorer("knn").fit(train, domain).score(test)
    frames = asdcore.load_scorer("knn").fit(train.reshape(-1, 2, 3, 4), domain).score(test.reshape(-1, 2, 3, 4))
    assert all(np.array_equal(flat[reference], frames[reference]) for reference in flat)


def test_no_clips_give_no_scores():
    train, domain, test = data()
    assert asdcore.load_scorer("knn").fit(train, domain).score(test[:0])["pooled"].shape == (0,)


def test_features_of_another_size_are_refused():
    train, domain, test = data()
    with pytest.raises(DataError, match=r"features of 11 values a clip.*a pooling other than 'frames'"):
        asdcore.load_scorer("knn").fit(train, domain).score(test[:, :11])


@pytest.mark.parametrize("method", ["score", "score_left_out"])
def test_before_fit(method):
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        getattr(asdcore.load_scorer("knn"), method)(*([data()[2]] if method == "score" else []))


def test_a_fit_that_fails_leaves_nothing_of_the_one_before():
    train, domain, test = data()
    knn = asdcore.load_scorer("knn", references=["target"]).fit(train, domain)
    with pytest.raises(DataError):
        knn.fit(train[domain == "source"], domain[domain == "source"])
    with pytest.raises(DataError, match="call fit"):
        knn.score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k must be a whole number from 1 to 4294967295, got 0"),
        ({"k": 1.5}, "k must be a whole number from 1 to 4294967295, got 1.5"),
        ({"k": True}, "k must be a whole number from 1 to 4294967295, got True"),
        ({"metric": "manhattan"}, "metric must be one of cosine, euclidean, got 'manhattan'"),
        ({"references": []}, r"references must be some of pooled, source, target, got \[\]"),
        ({"references": "pooled"}, "references must be some of pooled, source, target, got 'pooled'"),
        ({"references": ["near"]}, r"references must be some of pooled, source, target, got \['near'\]"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("knn", **parameters)


@pytest.mark.parametrize("k", [1, 5])
def test_a_bank_of_100_000_takes_memory_for_itself_in_single_precision(k):
    rng = np.random.default_rng(0)
    train, test = (rng.normal(size=(n, 8)).astype(np.float32) for n in (100_000, 50))
    domain = np.where(np.arange(100_000) < 10, "target", "source")
    tracemalloc.start()
    try:
        fitted = asdcore.load_scorer("knn", k=k, metric="euclidean").fit(train, domain)
        scores = fitted.score(test)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    for i in (0, 49):
        apart = np.sort(np.sqrt(np.square(train.astype(float) - test[i].astype(float)).sum(axis=1)))
        assert scores["pooled"][i] == pytest.approx(apart[:k].mean(), rel=1e-12)
