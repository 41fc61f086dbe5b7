"""Median and MAD of train normals: by hand, by scipy, and the factors for few values by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

import asdcore
from asdcore import DataError
from asdcore_plugins.normalizers.mad import Mad

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.gamma(3.0, size=40), 2.0 + RNG.gamma(3.0, size=10)
DOMAIN = np.array(["source"] * 40 + ["target"] * 10)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, np.full(10, 1e6)]),
    "target": np.concatenate([np.full(40, 1e6), TARGET]),
}


def fitted(train=TRAIN, **parameters):
    return asdcore.load_normalizer("mad", **parameters).fit(train, DOMAIN)


def test_pooled_by_hand():
    # 1 2 4 7 11 16: median 5.5; deviations 1.5 1.5 3.5 4.5 5.5 10.5, so the MAD is 4.
    train = {"pooled": np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0])}
    normalizer = asdcore.load_normalizer("mad", scope="pooled").fit(train, np.full(6, "source"))
    assert normalizer.transform({"pooled": np.array([5.5, 13.5])}) == pytest.approx([0.0, 8.0 / (1.4826 * 4.0)])


def test_domains_are_scipys_and_drawn_together():
    scales = {name: 1.4826 * median_abs_deviation(scores) for name, scores in (("s", SOURCE), ("t", TARGET))}
    scores = {"source": np.linspace(0, 20, 30), "target": np.linspace(20, 0, 30)}
    z_s = (scores["source"] - np.median(SOURCE)) / scales["s"]
    for kappa in (0.0, 10.0):
        own, drawn = 10 / (10 + kappa), kappa / (10 + kappa)
        scale = math.exp(own * math.log(scales["t"] / 0.92) + drawn * math.log(scales["s"]))
        z_t = (scores["target"] - own * np.median(TARGET) - drawn * np.median(SOURCE)) / scale
        assert np.allclose(fitted(shrinkage=kappa).transform(scores), np.minimum(z_s, z_t), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [*range(2, 11), 50])
def test_factors_for_few_values_against_monte_carlo(n):
    found = 1.4826 * median_abs_deviation(np.random.default_rng(1).standard_normal((40_000, n)), axis=1)
    # The published factors are rounded and, from 10 values on, a rule of thumb good to about 2 %.
    assert Mad()._bias(n) == pytest.approx(found.mean(), rel=0.02)


def test_an_outlier_moves_nothing():
    wild = {"pooled": np.where(np.arange(50) == 17, 1e9, TRAIN["pooled"])}
    tame = {"pooled": np.where(np.arange(50) == 17, 30.0, TRAIN["pooled"])}
    z = [fitted(train, scope="pooled").transform({"pooled": np.array([3.0])})[0] for train in (wild, tame)]
    assert z[0] == z[1]


def test_half_of_them_the_same_is_refused():
    with pytest.raises(DataError, match=r"the median absolute deviation of the 50 train-normal scores \(all\) is 0"):
        fitted({"pooled": np.where(np.arange(50) < 26, 0.3, TRAIN["pooled"])}, scope="pooled")
