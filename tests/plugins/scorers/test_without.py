"""Scores out of fold by more than the clip itself: every bundled scorer equals a scorer that never saw those clips."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import asdcore
from asdcore import DataError

EVERY = ["pooled", "source", "target"]
SCORERS = [
    ("knn", {}),
    ("knn", {"k": 3, "metric": "euclidean"}),
    ("ldn", {}),
    ("ldn", {"k": 4, "root": True}),
    ("ldn", {"variant": "difference", "k": 4, "r": 0.9, "metric": "euclidean"}),
    ("ldn", {"among": "domain", "k": {"source": 6, "target": 3}, "scale": "sum"}),
    ("varmin", {}),
    ("varmin", {"among": "domain", "metric": "euclidean"}),
    ("aldn", {"k": 8}),
    ("ced", {"k": 8, "quantile": 0.2}),
    ("ced", {"among": "domain", "k": 6}),
    ("lof", {"k": 4, "metric": "euclidean"}),
    ("lof", {}),
    ("kde", {}),
    ("kde", {"width": 0.5, "metric": "cosine"}),
    ("smote_knn", {"ratio": 1.0, "metric": "euclidean"}),
    ("smote_knn", {"k": 2, "ratio": 1.0, "seed": 3}),
    ("memmixup", {}),
    ("memmixup", {"k": 2, "k_source": 4, "metric": "cosine"}),
    ("beam", {"bands": 4}),
    ("beam", {"bands": 4, "varmin": 3, "metric": "euclidean"}),
    ("temporal", {"window": 2, "hop": 1}),
    ("mahalanobis", {}),
    ("mahalanobis", {"shrinkage": "oas"}),
    ("mahalanobis", {"shrinkage": 0.1}),
    ("mahalanobis", {"covariance": "selective"}),
    ("mahalanobis", {"covariance": "tied"}),
]
scorers = pytest.mark.parametrize(
    ("name", "parameters"), SCORERS, ids=[f"{name}-{'-'.join(map(str, given.values()))}" for name, given in SCORERS]
)


def load(name, parameters):
    return asdcore.load_scorer(name, **{"references": EVERY, **parameters})


def data(name, seed, n=None):
    """Recordings of near-duplicates, of one domain each: features, domain, and the recording of every clip."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 61)) if n is None else n
    recording = np.sort(rng.integers(0, 9, n))
    domain = np.where(recording % 3 == 2, "target", "source")
    features = (
        rng.normal(size=(9, 12))[recording] + 0.3 * rng.normal(size=(n, 12)) + 0.5 * (domain == "target")[:, None]
    )
    if name == "temporal":
        features = features[:, None, None] + 0.3 * rng.normal(size=(n, 4, 2, 12))
    return features.astype(np.float32), domain, recording


def recordings(recording, domain, rng):
    """Whole recordings, each an object that its clips share."""
    shared = {one: np.flatnonzero(recording == one) for one in np.unique(recording)}
    return [shared[one] for one in recording]


def neighbourhoods(recording, domain, rng):
    """The clips of the same domain within some places of a clip, itself not named."""
    reach = int(rng.integers(1, 5))
    return [
        np.array(
            [j for j in range(max(0, i - reach), min(len(domain), i + reach + 1)) if j != i and domain[i] == domain[j]],
            int,
        )
        for i in range(len(domain))
    ]


def anything(recording, domain, rng):
    """Any few clips, of either domain."""
    return [np.sort(rng.choice(len(domain), rng.integers(0, 6), replace=False)) for _ in domain]


SHAPES = [recordings, neighbourhoods, anything]


def long_way(name, parameters, features, domain, without, apart):
    """Refit on what is left for every clip, and score it."""
    scores = []
    for i, some in enumerate(without):
        rest = np.setdiff1d(np.arange(len(domain)), np.append(some, i))
        scorer = load(name, parameters)
        given = {}
        if apart is not None and "without" in inspect.signature(scorer.fit).parameters:
            place = {int(row): k for k, row in enumerate(rest)}
            given["without"] = [np.array([place[int(j)] for j in apart[row] if int(j) in place], int) for row in rest]
        scores.append(scorer.fit(features[rest], domain[rest], **given).score(features[[i]]))
    return {one: np.array([row[one][0] for row in scores]) for one in EVERY if all(one in row for row in scores)}


def left_out(name, parameters, features, domain, without, apart, *, by_distances=False):
    scorer = load(name, parameters)
    if apart is not None and "without" not in inspect.signature(scorer.fit).parameters:
        apart = None
    given = {} if apart is None else {"without": apart}
    if by_distances:
        scorer.fit_distances(asdcore.distances(features, features, scorer.metric), domain, **given)
    else:
        scorer.fit(features, domain, **given)
    return scorer.score_left_out(without=without)


def assert_same(found, expected):
    assert set(found) == set(expected)
    for one, values in expected.items():
        assert found[one].dtype == np.float64
        np.testing.assert_allclose(found[one], values, rtol=1e-7, atol=1e-9 * np.abs(values).max(), err_msg=one)


@pytest.mark.parametrize("shape", SHAPES)
@scorers
def test_equals_a_scorer_that_never_saw_those_clips(name, parameters, shape):
    for seed in range(1):
        features, domain, recording = data(name, seed)
        without = shape(recording, domain, np.random.default_rng(seed))
        told = "without" in inspect.signature(load(name, parameters).fit).parameters
        for apart in (None, without) if told else (None,):  # a fit that cannot be told is the same fit twice
            expected = long_way(name, parameters, features, domain, without, apart)
            assert_same(left_out(name, parameters, features, domain, without, apart), expected)
            if hasattr(load(name, parameters), "fit_distances"):
                assert_same(left_out(name, parameters, features, domain, without, apart, by_distances=True), expected)


@scorers
def test_nobody_but_oneself_is_leave_one_out(name, parameters):
    features, domain, _ = data(name, 3, 40)
    alone = load(name, parameters).fit(features, domain).score_left_out()
    for without in ([[]] * 40, list(np.arange(40)[:, None])):
        given = [np.array(some, int) for some in without]
        assert_same(left_out(name, parameters, features, domain, given, None), alone)


@scorers
def test_a_reference_with_too_few_left_for_some_clip_is_left_out_for_all(name, parameters):
    features, domain, _ = data(name, 4, 40)
    target = np.flatnonzero(domain == "target")
    without = [target if one == "target" else np.array([i]) for i, one in enumerate(domain)]
    found = left_out(name, parameters, features, domain, without, None)
    assert "target" not in found
    assert "source" in found
    assert all(np.isfinite(values).all() for values in found.values())


@scorers
def test_nobody_left_is_one_clear_error(name, parameters):
    features, domain, _ = data(name, 5, 30)
    everyone = np.arange(30)
    with pytest.raises(DataError, match="left out"):
        left_out(name, parameters, features, domain, [everyone] * 30, None)


@scorers
def test_what_is_left_out_is_checked(name, parameters):
    features, domain, _ = data(name, 6, 30)
    with pytest.raises(ValueError, match="29 arrays for 30 fitted clips"):
        left_out(name, parameters, features, domain, [np.arange(2)] * 29, None)
    with pytest.raises(ValueError, match="names the clips 0 to 30"):
        left_out(name, parameters, features, domain, [np.array([0, 30])] * 30, None)


@scorers
def test_the_given_sets_stay_as_they_are(name, parameters):
    features, domain, recording = data(name, 7, 40)
    without = neighbourhoods(recording, domain, np.random.default_rng(7))
    before = [some.copy() for some in without]
    left_out(name, parameters, features, domain, without, without)
    assert all(np.array_equal(some, one) for some, one in zip(without, before, strict=True))


def test_every_bundled_scorer_that_scores_left_out_is_tried():
    from asdcore.contract.plugins import installed

    names = [one for one in installed().components("scorer") if hasattr(asdcore.load_scorer(one), "score_left_out")]
    assert set(names) == {name for name, _ in SCORERS}
    for name in names:
        assert "without" in inspect.signature(asdcore.load_scorer(name).score_left_out).parameters


@pytest.mark.parametrize("name", ["knn", "ldn", "varmin", "aldn", "ced", "lof", "kde", "smote_knn", "memmixup", "beam"])
def test_a_searched_bank_leaves_out_the_same(name, monkeypatch):
    """What holds of a matrix of distances holds where the bank is searched instead."""
    from asdcore_plugins.scorers import kde
    from asdcore_plugins.scorers.bases import distance

    few = {"beam": {"bands": 4, "varmin": 3}, "aldn": {"k": 8}, "ced": {"k": 8}, "smote_knn": {"ratio": 1.0}}
    parameters = few.get(name, {})
    features, domain, recording = data(name, 8, 60)
    for shape in SHAPES:
        without = shape(recording, domain, np.random.default_rng(1))
        expected = left_out(name, parameters, features, domain, without, without)
        with monkeypatch.context() as patched:
            patched.setattr(distance, "DISTANCE_BYTES", 0)
            patched.setattr(kde, "MEASURED", 0)
            assert_same(left_out(name, parameters, features, domain, without, without), expected)


@pytest.mark.parametrize("covariance", ["reference", "tied"])
@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas", 0.1])
def test_a_recording_that_holds_nearly_all_the_variance_is_refitted(covariance, shrinkage):
    """Downdating the inverse would leave no digits of what the other clips vary by."""
    features, domain, recording = data("mahalanobis", 9, 50)
    features[recording == 3] *= 1e4
    without = recordings(recording, domain, None)
    parameters = {"covariance": covariance, "shrinkage": shrinkage}
    expected = long_way("mahalanobis", parameters, features, domain, without, None)
    assert_same(left_out("mahalanobis", parameters, features, domain, without, None), expected)


LEARN = [(name, given) for name, given in SCORERS if name not in ("knn", "temporal", "mahalanobis")]


@pytest.mark.parametrize(("name", "parameters"), LEARN)
def test_a_fit_that_is_told_the_clips_themselves_is_as_one_that_is_told_nothing(name, parameters):
    features, domain, _ = data(name, 10, 40)
    told = load(name, parameters).fit(features, domain, without=list(np.arange(40)[:, None]))
    test = features[:5] + np.float32(0.1)
    assert_same(told.score(test), load(name, parameters).fit(features, domain).score(test))


@pytest.mark.parametrize("held", [200_000_000, 0])
@pytest.mark.parametrize(
    ("name", "parameters"), [("smote_knn", {"ratio": 0.2}), ("smote_knn", {"ratio": 0.2, "seed": 1})]
)
def test_points_that_only_a_bank_without_a_set_needs_are_added(name, parameters, held, monkeypatch):
    """48 source and 12 target clips need no points, 47 and 9 do."""
    from asdcore_plugins.scorers.bases import distance

    monkeypatch.setattr(distance, "DISTANCE_BYTES", held)
    domain, rng = np.repeat(["source", "target"], [48, 12]), np.random.default_rng(4)
    features = rng.normal(size=(60, 5)).astype(np.float32)
    without = [np.arange(i - i % 3, i - i % 3 + 3) for i in range(60)]
    with pytest.warns(UserWarning, match="smote_knn has 12 target clips already"):
        scores = left_out(name, parameters, features, domain, without, None)
    with warnings.catch_warnings(action="ignore"):
        assert_same(scores, long_way(name, parameters, features, domain, without, None))


def test_without_target_clips_sets_are_left_out_of_plain_neighbours():
    features, domain = np.random.default_rng(4).normal(size=(30, 5)).astype(np.float32), np.full(30, "source")
    without, parameters = [np.arange(i - i % 3, i - i % 3 + 3) for i in range(30)], {"k": 3, "k_source": 5}
    scores = left_out("memmixup", parameters, features, domain, without, None)
    assert_same(scores, long_way("memmixup", parameters, features, domain, without, None))
