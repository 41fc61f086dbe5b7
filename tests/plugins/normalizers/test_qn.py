"""Median and Qn of train normals: by hand, by all pairs, and the factors for few values by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError
from asdcore_plugins.normalizers.qn import GAUSSIAN_QN, Qn
from asdcore_plugins.stats.distributions.spread import pair_distance

WILD = np.where(np.arange(50) == 17, 1e9, np.random.default_rng(0).gamma(3.0, size=50))


def qn(values):
    """Qn by its definition, without the factor for few values."""
    half = len(values) // 2 + 1
    distances = sorted(abs(a - b) for a, b in combinations(values, 2))
    return 2.2219 * distances[half * (half - 1) // 2 - 1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30), scale=st.sampled_from([1e-300, 1e-9, 1.0, 1e200]))
def test_a_distance_of_two_is_the_one_among_all_pairs(seed, n, scale):
    rng = np.random.default_rng(seed)
    values = rng.choice([rng.normal(size=n), np.round(rng.normal(size=n))]) * scale
    distances = sorted(abs(a - b) for a, b in combinations(values, 2))
    for rank in (1, len(distances) // 2 + 1, len(distances)):
        assert pair_distance(values, rank) == distances[rank - 1]


def test_domains_are_drawn_together():
    rng = np.random.default_rng(0)
    source, target = rng.gamma(3.0, size=41), 2.0 + rng.gamma(3.0, size=10)
    train = {"source": np.concatenate([source, np.zeros(10)]), "target": np.concatenate([np.zeros(41), target])}
    domain = np.array(["source"] * 41 + ["target"] * 10)
    scores = {"source": np.linspace(0, 20, 30), "target": np.linspace(20, 0, 30)}
    z_s = (scores["source"] - np.median(source)) / qn(source)
    for kappa in (0.0, 10.0):
        own, drawn = 10 / (10 + kappa), kappa / (10 + kappa)
        scale = np.exp(own * np.log(qn(target) / 1.38) + drawn * np.log(qn(source)))
        z_t = (scores["target"] - own * np.median(target) - drawn * np.median(source)) / scale
        fitted = asdcore.load_normalizer("qn", shrinkage=kappa).fit(train, domain)
        np.testing.assert_allclose(fitted.transform(scores), np.minimum(z_s, z_t), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 30])
def test_factors_for_few_values_against_monte_carlo(n):
    half, samples = n // 2 + 1, np.random.default_rng(1).standard_normal((4_000, n))
    first, second = np.triu_indices(n, 1)
    rank = half * (half - 1) // 2 - 1
    distance = np.partition(np.abs(samples[:, first] - samples[:, second]), rank, axis=1)[:, rank]
    assert Qn()._bias(n) == pytest.approx(GAUSSIAN_QN * distance.mean(), rel=0.03)


def test_it_varies_less_than_the_iqr_and_the_mad_of_ten_values():
    # Of 10 Gaussian values the relative deviations are 0.25 for Qn, 0.37 for both others.
    samples = np.random.default_rng(2).standard_normal((300, 10))
    spread = {}
    for name in ("qn", "mad", "median_iqr"):
        scales = []
        for sample in samples:
            fitted = asdcore.load_normalizer(name, scope="pooled").fit({"pooled": sample}, np.full(10, "source"))
            low, high = fitted.transform({"pooled": np.array([0.0, 1.0])})
            scales.append(1.0 / (high - low))
        spread[name] = np.std(scales) / np.mean(scales)
    assert spread["qn"] < 0.9 * min(spread["mad"], spread["median_iqr"])


def test_an_outlier_moves_nothing():
    tame = np.where(np.arange(50) == 17, 30.0, WILD)
    z = [
        asdcore.load_normalizer("qn", scope="pooled")
        .fit({"pooled": scores}, np.full(50, "source"))
        .transform({"pooled": np.array([3.0])})[0]
        for scores in (WILD, tame)
    ]
    assert z[0] == z[1]


@pytest.mark.parametrize("scores", [np.where(np.arange(50) < 36, 0.3, WILD), np.array([2.0])])
def test_mostly_the_same_is_refused(scores):
    normalizer = asdcore.load_normalizer("qn", scope="pooled")
    with pytest.raises(DataError, match=rf"the Qn of the {len(scores)} train-normal scores \(all\) is 0"):
        normalizer.fit({"pooled": scores}, np.full(len(scores), "source"))
