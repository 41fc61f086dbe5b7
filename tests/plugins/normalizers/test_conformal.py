"""Interpolated conformal p-values: valid, finer than the staircase, never tied above the lowest normal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError

NORMALS = st.lists(st.integers(-40, 40), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1)


def pooled(normals, scores, output="probability"):
    train = {"pooled": np.asarray(normals, np.float64)}
    normalizer = asdcore.load_normalizer("conformal", output=output).fit(train, np.full(len(normals), "source"))
    return normalizer.transform({"pooled": np.asarray(scores, np.float64)})


def staircase(normals, scores):
    return np.array([(1 + sum(u >= s for u in normals)) / (len(normals) + 1) for s in scores])


def test_by_hand():
    # Of 1 2 4 8: p is 5/5, 4/5, 3/5, 2/5 at them. Above 8 the scale is 8 - 3 = 5, and 1/5 is never reached.
    p = 1 - pooled([1, 2, 4, 8], [0.0, 1.0, 2.0, 3.0, 4.0, 8.0, 13.0])
    assert np.allclose(p, [1.0, 1.0, 0.8, 0.7, 0.6, 0.4, 0.3], rtol=1e-14)


@settings(max_examples=150, deadline=None)
@given(NORMALS, st.lists(st.floats(-100, 1e6), min_size=1, max_size=30))
def test_never_below_the_staircase_and_equal_to_it_at_the_normals(normals, scores):
    assert (1 - pooled(normals, scores) >= staircase(normals, scores) - 1e-12).all()
    assert np.allclose(1 - pooled(normals, normals), staircase(normals, normals), rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(NORMALS, st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=40, unique=True))
def test_strictly_increasing_above_the_lowest_normal(normals, scores):
    scores = np.sort([*(score / 100 for score in scores if score / 100 > min(normals)), 200.0])
    assert (np.diff(pooled(normals, scores, "surprise")) > 0).all()


def test_a_normal_clip_has_a_small_p_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    trials = 4000
    p = np.array([1 - pooled(sample[:19], sample[19:])[0] for sample in rng.gamma(2.0, size=(trials, 20))])
    for level in (0.06, 0.1, 0.2, 0.5):
        # Three standard errors of the share of 4000 trials.
        assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / trials)
    assert (p <= 0.5).mean() > 0.4


def test_surprise_is_the_logarithm_of_p():
    scores = np.linspace(-5, 60, 40)
    assert np.allclose(pooled([1, 2, 4, 8], scores, "surprise"), -np.log(1 - pooled([1, 2, 4, 8], scores)), rtol=1e-12)


def test_of_two_domains_the_larger_p_counts_and_shrinkage_mixes_them():
    train = {"source": np.array([1.0, 2.0, 4.0, 8.0, 0, 0]), "target": np.array([0, 0, 0, 0, 10.0, 30.0])}
    domain = np.array(["source"] * 4 + ["target"] * 2)
    scores = {"source": np.array([2.0, 8.0]), "target": np.array([30.0, 10.0])}
    parameters = {"scope": "domain_min", "output": "probability"}
    alone = asdcore.load_normalizer("conformal", **parameters).fit(train, domain).transform(scores)
    assert np.allclose(alone, [1 - 4 / 5, 0.0], rtol=1e-14, atol=0)
    mixed = asdcore.load_normalizer("conformal", **parameters, shrinkage=6).fit(train, domain).transform(scores)
    # The target's p at 30 is 2/3 alone; with 6 source clips to its 2 it is a quarter of that and 3/4 of the source's.
    above = 1 / 5 + (2 / 5 - 1 / 5) * 5 / (30 - 8 + 5)
    assert mixed[0] == pytest.approx(min(1 / 5, 1 - (0.25 * 2 / 3 + 0.75 * above)))
    assert mixed[1] == pytest.approx(0.75 * (1 - (1 / 5 + (1 / 5) * 5 / 7)))


def test_half_of_the_sample_at_the_top_still_falls():
    z = pooled([1, 5, 5, 5], [5.0, 9.0, 1e6])
    assert (np.diff(z) > 0).all()


def test_all_the_same_is_refused():
    with pytest.raises(DataError, match="conformal needs at least 2 different train-normal scores, found 1"):
        pooled([0.5] * 9, [1.0])


def test_it_has_no_normal_quantile():
    with pytest.raises(asdcore.PluginError, match="output must be one of surprise, probability, got 'normal'"):
        asdcore.load_normalizer("conformal", output="normal")
