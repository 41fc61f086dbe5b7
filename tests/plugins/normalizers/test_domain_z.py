"""The z-scores of both domains on the target's deviation."""

from __future__ import annotations

import math

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.stats.distributions.spread import c4

SOURCE = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 17.0])
TARGET = np.array([20.0, 26.0, 23.0])
DOMAIN = np.array(["source"] * 6 + ["target"] * 3)
TRAIN = {
    "source": np.concatenate([SOURCE, np.full(3, 1e6)]),
    "target": np.concatenate([np.full(6, 1e6), TARGET]),
}
SCORES = {"source": np.array([10.0, 25.0, 7.0]), "target": np.array([26.0, 26.0, 99.0])}


def test_published_form_by_hand():
    # Means 7 and 23; the target's deviation is 3, over c4(3) for its three clips.
    z = asdcore.load_normalizer("domain_z", shrinkage=0).fit(TRAIN, DOMAIN).transform(SCORES)
    assert z == pytest.approx(np.array([3.0, 3.0, 0.0]) / (3.0 / c4(3)))


def test_shrinkage_draws_the_targets_mean_and_the_deviation_of_both():
    log_deviation = (3 * math.log(3.0 / c4(3)) + 10 * math.log(SOURCE.std(ddof=1))) / 13
    mean = (3 * 23.0 + 10 * 7.0) / 13
    expected = np.minimum(SCORES["source"] - 7.0, SCORES["target"] - mean) / math.exp(log_deviation)
    assert np.allclose(asdcore.load_normalizer("domain_z").fit(TRAIN, DOMAIN).transform(SCORES), expected, rtol=1e-13)


def test_it_needs_both_domains():
    normalizer = asdcore.load_normalizer("domain_z")
    for name, kept in (("target", slice(None, 6)), ("source", slice(6, None))):
        train = {reference: scores[kept] for reference, scores in TRAIN.items()}
        with pytest.raises(DataError, match=f"no train normals of the {name} domain. Use mean_std"):
            normalizer.fit(train, DOMAIN[kept])
    with pytest.raises(DataError, match="call fit"):
        normalizer.transform(SCORES)


def test_one_target_clip_takes_the_sources_deviation():
    train = {name: scores[:7] for name, scores in TRAIN.items()}
    z = asdcore.load_normalizer("domain_z", shrinkage=0).fit(train, DOMAIN[:7]).transform(SCORES)
    expected = np.minimum(SCORES["source"] - 7.0, SCORES["target"] - 20.0) / SOURCE.std(ddof=1)
    assert np.allclose(z, expected, rtol=1e-13)
