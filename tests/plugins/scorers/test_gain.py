"""A recorder's gain adds the same to all levels in dB: which scorers rank clips as before, and which do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import asdcore
from asdcore.contract.plugins import installed

BANDS, DOMAIN = 16, np.array(["source"] * 40 + ["target"] * 6)
RNG = np.random.default_rng(0)
COLOUR = RNG.normal(-40.0, 10.0, BANDS)
TRAIN, CLIPS = (
    np.concatenate([COLOUR + RNG.normal(0.0, 2.0, (n, BANDS)), RNG.normal(5.0, 0.7, (n, BANDS))], axis=1)
    for n in (46, 40)
)
"""Mean levels of bands in dB, then the deviations of bands, to which a gain does nothing."""

EUCLIDEAN = {"metric": "euclidean"}
BY_METRIC = ("aldn", "beam", "ced", "kde", "knn", "ldn", "lof", "memmixup", "smote_knn", "temporal", "varmin")
"""Scorers that rank as before by the Euclidean distance, and by the cosine do not."""

ANYWAY = (
    "deep_svdd",
    "isolation_forest",
    "linear_autoencoder",
    "mahalanobis",
    "ocsvm",
    "padim",
    "patchcore",
    "pca_residual",
)
"""Scorers that rank as before however they are set."""

WITH_A_UNIT = {"padim", "patchcore"}
"""A constant beside the covariance, and weights that are a softmax of distances: a factor is nearly nothing to them."""

SEARCHED = {"autoencoder", "gmm", "kmeans", "normal_relation"}
"""Scorers that search step by step: rounding alone may lead them to another end, so nothing is promised."""

OF_PATCHES = {"linear_autoencoder": {"stacked": 3, "components": 2}, "padim": {}, "patchcore": {}, "temporal": {}}
SETTINGS = {**OF_PATCHES, "deep_svdd": {"epochs": 2}, "smote_knn": {"seed": 0}}


def scores(name, gain_db=0.0, factor=1.0, **parameters):
    scorer = asdcore.load_scorer(name, **{**SETTINGS.get(name, {}), **parameters})
    moved = []
    for features in (TRAIN, CLIPS):
        louder = features.copy()
        louder[:, :BANDS] += gain_db
        if name in OF_PATCHES:  # 8 steps of time, 2 bands
            louder = louder[:, :BANDS].reshape(len(louder), 8, 2, 1)
        moved.append((factor * louder).astype(np.float32))
    return scorer.fit(moved[0], DOMAIN).score(moved[1])["pooled"]


def agreement(name, gain_db=0.0, factor=1.0, **parameters):
    return spearmanr(scores(name, **parameters), scores(name, gain_db, factor, **parameters)).statistic


@pytest.mark.parametrize("gain_db", [-20.0, 40.0])
@pytest.mark.parametrize("name", [*BY_METRIC, *ANYWAY])
def test_a_gain_leaves_the_ranks_of_euclidean_scorers(name, gain_db):
    metric = EUCLIDEAN if name in BY_METRIC else {}
    assert agreement(name, gain_db, **metric) > 0.9999


@pytest.mark.parametrize("name", [name for name in BY_METRIC if name != "temporal"])  # needs vectors for a cosine
def test_a_gain_changes_what_the_cosine_ranks(name):
    assert agreement(name, 40.0, metric="cosine") < 0.95


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", [name for name in BY_METRIC if name != "temporal"])
def test_a_factor_leaves_the_ranks_of_distances(name, metric):
    assert agreement(name, factor=0.25, metric=metric) > 0.9999


@pytest.mark.parametrize("name", ["temporal", *ANYWAY])
def test_a_factor_leaves_the_ranks_of_other_scorers(name):
    metric = EUCLIDEAN if name in BY_METRIC else {}
    assert agreement(name, factor=0.25, **metric) > (0.98 if name in WITH_A_UNIT else 0.9999)


def test_no_bundled_scorer_is_forgotten():
    bundled = {one.name for one in installed().components("scorer").values() if one.distribution == "asdcore"}
    assert bundled == {*BY_METRIC, *ANYWAY, *SEARCHED}
