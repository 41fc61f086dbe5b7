"""The classical z-score on train normals, and the target's drawn toward the source's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import zscore

import asdcore
from asdcore import DataError
from asdcore_plugins.stats.distributions.spread import c4

SOURCE = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0])
TARGET = np.array([20.0, 26.0, 23.0])
DOMAIN = np.array(["source"] * 6 + ["target"] * 3)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, np.full(3, 1e6)]),
    "target": np.concatenate([np.full(6, 1e6), TARGET]),
}


def fitted(train=TRAIN, domain=DOMAIN, **parameters):
    return asdcore.load_normalizer("mean_std", **parameters).fit(train, domain)


def one(normalizer, **scores):
    return float(normalizer.transform({name: np.array([value]) for name, value in scores.items()})[0])


def test_pooled_is_scipys_zscore():
    z = fitted(scope="pooled").transform(TRAIN)
    assert np.allclose(z, zscore(TRAIN["pooled"], ddof=1), rtol=1e-13)


def test_each_domain_by_hand():
    # Target: mean 23, deviation 3 (n - 1). Source: mean 41/6.
    scores = {"pooled": 0.0, "source": 9.0, "target": 29.0}
    assert one(fitted(scope="target", shrinkage=0), **scores) == pytest.approx(2.0 * c4(3), rel=1e-14)
    expected = (9.0 - 41 / 6) / SOURCE.std(ddof=1)
    assert one(fitted(scope="source"), **scores) == pytest.approx(expected, rel=1e-14)
    assert one(fitted(shrinkage=0), **scores) == pytest.approx(min(expected, 2.0 * c4(3)), rel=1e-14)


@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_shrinkage_formula_by_hand(kappa):
    mean = (3 * 23.0 + kappa * 41 / 6) / (3 + kappa)
    log_deviation = (3 * math.log(3.0 / c4(3)) + kappa * math.log(SOURCE.std(ddof=1))) / (3 + kappa)
    z = one(fitted(shrinkage=kappa), source=1e9, target=31.0)
    assert z == pytest.approx((31.0 - mean) / math.exp(log_deviation), rel=1e-13)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_c4_against_monte_carlo(n):
    deviations = np.random.default_rng(0).standard_normal((40_000, n)).std(axis=1, ddof=1)
    assert abs(c4(n) - deviations.mean()) < 4 * deviations.std() / 200


def test_one_target_clip_has_a_place_but_no_spread():
    few = {name: scores[:7] for name, scores in TRAIN.items()}
    place = (20.0 + 10 * 41 / 6) / 11
    z = one(fitted(few, DOMAIN[:7]), source=1e9, target=50.0)
    assert z == pytest.approx((50.0 - place) / SOURCE.std(ddof=1), rel=1e-13)


def test_all_the_same_is_refused():
    with pytest.raises(DataError, match=r"the standard deviation of the 9 train-normal scores \(all\) is 0"):
        fitted({"pooled": np.full(9, 0.1)}, scope="pooled")
