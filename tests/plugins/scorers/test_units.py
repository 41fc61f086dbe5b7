"""The unit of features does not count: recordings in volts or in millivolts, spectra that are hardly above zero."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore

RNG = np.random.default_rng(0)
DOMAIN = np.array(["source"] * 30 + ["target"] * 10)
TRAIN, CLIPS = (RNG.gamma(3.0, size=(n, 24)).astype(np.float32) for n in (40, 30))

FREE = ("aldn", "ced", "kde", "ldn", "lof", "mahalanobis", "varmin")
"""Scorers whose scores have no unit."""


def scores(name, unit, train=TRAIN, clips=CLIPS, **parameters):
    scorer = asdcore.load_scorer(name, **parameters).fit(np.float32(unit) * train, DOMAIN)
    return scorer.score(np.float32(unit) * clips)["pooled"]


@pytest.mark.parametrize("unit", [2.0**-90, 2.0**-30, 2.0**60])
@pytest.mark.parametrize("name", FREE)
def test_scores_without_a_unit_are_the_same_in_every_unit(name, unit):
    assert scores(name, unit) == pytest.approx(scores(name, 1.0), rel=1e-9)


@pytest.mark.parametrize("unit", [2.0**-90, 2.0**-30, 2.0**60])
def test_clusters_of_directions_are_the_same_in_every_unit(unit):
    assert scores("kmeans", unit, seed=0) == pytest.approx(scores("kmeans", 1.0, seed=0), rel=1e-6)


@pytest.mark.parametrize("unit", [2.0**-90, 2.0**-30, 2.0**60])
def test_a_forest_of_small_features_has_splits(unit):
    """scikit-learn takes a feature that varies by 1e-7 or less for constant (issue 10245)."""
    near, far = scores("isolation_forest", unit), scores("isolation_forest", unit, clips=10 * CLIPS)
    assert len(set(near.tolist())) > 20
    assert far.min() > near.max()
