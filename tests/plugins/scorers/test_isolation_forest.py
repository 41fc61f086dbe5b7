"""Isolation forest: the depths of the library's own trees, and a seed that is ours."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn import ensemble

import asdcore
from asdcore import DataError


def data(n=300, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)).astype(np.float32), np.full(n, "source")


def mean_depth(n):
    """c(n) of Liu, Ting and Zhou, eq. 1: the mean depth of an unsuccessful search in a binary tree of n clips."""
    return 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n if n > 2 else float(n == 2)


def by_hand(forest, clip):
    """2^(-E[h] / c): walk every tree, and add what growing a leaf to the end would have added."""
    depths = []
    for tree, features in zip(forest.estimators_, forest.estimators_features_, strict=True):
        node, depth, part = 0, 0.0, tree.tree_
        while part.children_left[node] >= 0:
            left = clip[features][part.feature[node]] <= part.threshold[node]
            node, depth = (part.children_left if left else part.children_right)[node], depth + 1.0
        depths.append(depth + mean_depth(part.n_node_samples[node]))
    return 2.0 ** (-np.mean(depths) / mean_depth(forest.max_samples_))


def grown(train, trees):
    """The library's forest of the same trees: of clips in an order that their features alone determine."""
    clips = sorted(train.astype(np.float64), key=lambda clip: hashlib.sha256(clip.tobytes()).digest())
    return ensemble.IsolationForest(n_estimators=trees, max_samples=min(len(train), 256), random_state=0).fit(clips)


@pytest.mark.parametrize("n", [300, 40, 2])
def test_equals_the_formula_on_the_trees_of_the_library(n):
    train, domain = data(n)
    scorer, forest = asdcore.load_scorer("isolation_forest", trees=25).fit(train, domain), grown(train, 25)
    clips = np.concatenate([train[:10], 3.0 * train[10:20]])
    assert scorer.score(clips)["pooled"] == pytest.approx([by_hand(forest, clip) for clip in clips], rel=1e-12)


@pytest.mark.parametrize("n", [300, 40, 2])
def test_goes_down_the_trees_as_the_library_does(n):
    train, domain = data(n)
    scorer, forest = asdcore.load_scorer("isolation_forest", trees=25).fit(train, domain), grown(train, 25)
    clips = np.concatenate([train, 3.0 * data(600, seed=1)[0]])
    assert scorer.score(clips)["pooled"].tobytes() == (-forest.score_samples(clips)).tobytes()


def test_a_forest_without_an_end_is_refused():
    scorer = asdcore.load_scorer("isolation_forest", trees=2)
    state = scorer.fit(*data()).state()
    left = state["models"]["pooled"]["left"].copy()
    left[1] = 0
    state["models"]["pooled"]["left"] = left
    with pytest.raises(DataError, match=r"models\.pooled\.left or right is a way back, and a way on"):
        scorer.restore(state)


def test_outliers_score_above_normals_and_in_the_unit_interval():
    train, domain = data()
    fitted = asdcore.load_scorer("isolation_forest", trees=50).fit(train, domain)
    normal, far = fitted.score(train)["pooled"], fitted.score(np.full((1, 6), 50.0, np.float32))["pooled"]
    assert 0.0 < normal.min() < np.median(normal) < 0.5 < far[0] <= 1.0
    assert far[0] > np.quantile(normal, 0.99)


def test_the_seed_decides_whatever_the_global_generator_is_at():
    train, domain = data()
    scores = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        np.random.seed(state)
        fitted = asdcore.load_scorer("isolation_forest", trees=10, seed=seed).fit(train, domain)
        scores.append(fitted.score(train)["pooled"].tobytes())
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("parameters", [{"trees": 0}, {"sample": 1}, {"seed": -1}, {"seed": 2**32}])
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match=f"{next(iter(parameters))} must be a whole number from"):
        asdcore.load_scorer("isolation_forest", **parameters)
