"""Banks too large for a matrix: the search gives the bits of the matrix, and takes banks that have none."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.scorers.bases import distance
from asdcore_plugins.stats.neighbours.exact import neighbours
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances, find_neighbours

SCORERS = [
    ("ldn", {}),
    ("ldn", {"k": 4, "variant": "difference", "metric": "euclidean"}),
    ("ldn", {"k": 4, "root": True}),
    ("ldn", {"k": {"source": 16, "target": 9}, "among": "domain", "scale": "sum"}),
    ("varmin", {}),
    ("ced", {}),
    ("aldn", {"k": 10, "metric": "euclidean"}),
    ("lof", {}),
    ("lof", {"k": 3, "metric": "euclidean"}),
    ("smote_knn", {}),
    ("smote_knn", {"k": 3, "metric": "euclidean", "seed": 1}),
    ("smote_knn", {"ratio": 0.05}),
    ("smote_knn", {"ratio": 0.075}),
    ("memmixup", {}),
    ("memmixup", {"k": 2, "k_source": 5}),
    ("kde", {}),
]


def bank(kind, n_source=150, n_target=12, dim=6, seed=0):
    """(features, domain): spread, repeated (many equally near), or closer to one another than single precision says."""
    rng = np.random.default_rng(seed)
    domain = rng.permutation(np.repeat(["source", "target"], [n_source, n_target]))
    spread = rng.normal(size=(len(domain), dim)) * np.where(domain == "target", 0.4, 1.0)[:, None]
    made = {"spread": spread, "repeated": np.round(spread[:, :2]), "close": 1e4 + 1e-3 * spread}
    return made[kind].astype(np.float32), domain


@pytest.mark.filterwarnings("ignore:smote_knn has 12 target clips already:UserWarning")
@pytest.mark.parametrize("kind", ["spread", "repeated", "close"])
@pytest.mark.parametrize(("name", "parameters"), SCORERS)
def test_a_searched_bank_gives_the_bits_of_the_matrix(name, parameters, kind, monkeypatch):
    train, domain = bank(kind)
    test = bank(kind, seed=1)[0][:10]
    held = asdcore.load_scorer(name, **parameters).fit(train, domain)
    monkeypatch.setattr(distance, "DISTANCE_BYTES", 0)
    searched = asdcore.load_scorer(name, **parameters).fit(train, domain)
    for expected, found in (
        (held.score(test), searched.score(test)),
        (held.score_left_out(), searched.score_left_out()),
    ):
        assert {name: one.tobytes() for name, one in found.items()} == {
            name: one.tobytes() for name, one in expected.items()
        }


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_the_nearest_others_are_those_of_the_matrix_in_its_order(metric, root, k):
    train = bank("repeated")[0]
    group = np.random.default_rng(0).integers(-1, 2, len(train))
    within = asdcore.distances(train, train, metric)
    expected = neighbours((np.sqrt(within) if root else within).__getitem__, group, k)
    found = find_neighbours(LazyDistances(train, metric, root=root), group, k)
    assert np.array_equal(found.index, expected.index)
    assert found.distance.tobytes() == expected.distance.tobytes()


def large(n_source, n_target):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_source + n_target, 3)).astype(np.float32), np.repeat(
        ["source", "target"], [n_source, n_target]
    )


@pytest.mark.parametrize("name", ["ldn", "varmin", "ced", "aldn"])
def test_a_density_is_learnt_in_a_bank_of_31000(name):
    """The neighbours that its scores rest on are those of brute force."""
    train, domain = large(15_500, 15_500)
    parameters = {"k": 8, "among": "domain", "metric": "euclidean"}
    fitted = asdcore.load_scorer(name, **parameters).fit(train, domain)
    near, some = fitted._neighbours, np.array([0, 15_499, 15_500, 30_999])
    for clip in some:
        others = np.flatnonzero((domain == domain[clip]) & (np.arange(len(train)) != clip))
        apart = asdcore.distances(train[[clip]], train[others], "euclidean")[0]
        assert near.distance[clip].tobytes() == np.sort(apart)[:9].tobytes()
    assert all(np.isfinite(one).all() for one in fitted.score(train[:3] + 0.1).values())


@pytest.mark.parametrize("name", ["lof", "kde"])
def test_a_reference_in_a_bank_of_100000_is_the_bank_of_its_own_clips(name):
    train, domain = large(98_500, 1_500)
    test = train[:3] + np.float32(0.1)
    found = asdcore.load_scorer(name, references=["target"]).fit(train, domain).score(test)
    own = domain == "target"
    alone = asdcore.load_scorer(name, references=["target"]).fit(train[own], domain[own]).score(test)
    assert found["target"].tobytes() == alone["target"].tobytes()


@pytest.mark.parametrize(("name", "parameters"), [("smote_knn", {"ratio": 0.001}), ("memmixup", {"k_source": 3})])
def test_points_are_made_in_a_bank_of_100000(name, parameters):
    train, domain = large(99_990, 10)
    fitted = asdcore.load_scorer(name, **parameters).fit(train, domain)
    scores = fitted.score(train[[0, 99_990]])
    assert scores["pooled"].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    plain = asdcore.load_scorer("knn", metric=fitted.metric).fit(train, domain).score(train[:3])
    assert (fitted.score(train[:3])["target"] <= plain["target"]).all()


def test_no_points_are_needed_where_there_are_target_clips_enough():
    train, domain = large(70_000, 30_000)
    with pytest.warns(UserWarning, match="has 30000 target clips already"):
        fitted = asdcore.load_scorer("smote_knn").fit(train, domain)
    plain = asdcore.load_scorer("knn").fit(train, domain)
    for name, scores in plain.score(train[:3] + 1).items():
        assert fitted.score(train[:3] + 1)[name].tobytes() == scores.tobytes()


@pytest.mark.parametrize(("name", "n_target", "ends"), [("memmixup", 10, 100_000), ("smote_knn", 1_500, 1_500)])
def test_points_between_more_clips_than_can_be_measured_are_refused_before_it_starts(name, n_target, ends):
    train, domain = large(100_000 - n_target, n_target)
    scorer = asdcore.load_scorer(name)
    with pytest.raises(
        DataError, match=rf"{name} would put points between {ends} of 100000.*1024 may.*k_source, or knn"
    ):
        scorer.fit(train, domain)
    with pytest.raises(DataError, match="call fit"):
        scorer.score(train[:1])
