"""Median/IQR calibration: eq. (2) by hand, and the target's statistics drawn toward the source's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError
from asdcore_plugins.stats.distributions.spread import small_sample_iqr

SOURCE = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0])
TARGET = np.array([20.0, 26.0, 23.0])


def type_7(scores, quantile):
    """The linear quantile: at position (n - 1) q of the sorted sample."""
    ordered = sorted(scores)
    below = math.floor((len(ordered) - 1) * quantile)
    share = (len(ordered) - 1) * quantile - below
    return ordered[below] + share * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below])


def median_iqr(scores):
    """Median, and IQR + eps with eps = 1e-6 times 1.4826 times the median absolute deviation."""
    median = type_7(scores, 0.5)
    deviation = type_7([abs(s - median) for s in scores], 0.5)
    return median, type_7(scores, 0.75) - type_7(scores, 0.25) + 1e-6 * 1.4826 * deviation


def domains(n_source=6, n_target=3):
    return np.array(["source"] * n_source + ["target"] * n_target)


def train(source=SOURCE, target=TARGET):
    """Scores of the train normals for all references: each domain's own where it counts, nonsense elsewhere."""
    return {
        "pooled": np.concatenate([source, target]),
        "source": np.concatenate([source, np.full(len(target), 1e6)]),
        "target": np.concatenate([np.full(len(source), 1e6), target]),
    }


def fitted(source=SOURCE, target=TARGET, **parameters):
    normalizer = asdcore.load_normalizer("median_iqr", **parameters)
    return normalizer.fit(train(source, target), domains(len(source), len(target)))


def one(normalizer, **scores):
    return float(normalizer.transform({name: np.array([value]) for name, value in scores.items()})[0])


def test_pooled_by_hand():
    # Sorted: 1 2 4 7 11 16 20 23 26. Type 7: Q25 = 4, median = 11, Q75 = 20; deviations 0 4 5 7 9 9 10 12 15: MAD = 9.
    assert one(fitted(scope="pooled"), pooled=30.0) == pytest.approx(19.0 / (16.0 + 9 * 1.4826e-6), rel=1e-15)


def test_type_7_quantiles_between_the_sample():
    # Of 1 2 4 7 11 16: Q25 = 2.5, median = 5.5, Q75 = 10; deviations 1.5 1.5 3.5 4.5 5.5 10.5: MAD = 4.
    scores = {"pooled": SOURCE}
    normalizer = asdcore.load_normalizer("median_iqr", scope="pooled").fit(scores, domains(6, 0))
    assert median_iqr(SOURCE) == pytest.approx((5.5, 7.5 + 4.0 * 1.4826e-6))
    assert one(normalizer, pooled=5.5) == 0.0
    assert one(normalizer, pooled=13.0) == pytest.approx(7.5 / (7.5 + 4.0 * 1.4826e-6), rel=1e-15)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=4, max_size=30, unique=True))
def test_pooled_against_the_formula(values):
    scores = np.array(values) / 7.0
    normalizer = asdcore.load_normalizer("median_iqr", scope="pooled")
    median, iqr = median_iqr(scores)
    z = normalizer.fit({"pooled": scores}, np.full(len(scores), "source")).transform({"pooled": scores})
    assert np.allclose(z, (scores - median) / iqr, rtol=1e-12, atol=1e-12)


def test_domain_min_without_shrinkage_is_the_smaller_of_two_z():
    normalizer = fitted(shrinkage=0)
    (m_s, iqr_s), (m_t, iqr_t) = median_iqr(SOURCE), median_iqr(TARGET)
    iqr_t /= small_sample_iqr(3)
    for source, target in ((3.0, 40.0), (90.0, 23.0), (12.0, 25.0)):
        expected = min((source - m_s) / iqr_s, (target - m_t) / iqr_t)
        assert one(normalizer, pooled=-99.0, source=source, target=target) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kappa", [1.0, 10.0, 37.5])
def test_shrinkage_formula_by_hand(kappa):
    (m_s, iqr_s), (m_t, iqr_t) = median_iqr(SOURCE), median_iqr(TARGET)
    median = (3 * m_t + kappa * m_s) / (3 + kappa)
    log_iqr = (3 * math.log(iqr_t / small_sample_iqr(3)) + kappa * math.log(iqr_s)) / (3 + kappa)
    z = one(fitted(shrinkage=kappa), source=1e9, target=31.0)
    assert z == pytest.approx((31.0 - median) / math.exp(log_iqr), rel=1e-12)


def test_default_shrinkage_is_ten_clips_and_default_scope_domain_min():
    scores = {"pooled": 0.0, "source": 1e9, "target": 27.0}
    default = asdcore.load_normalizer("median_iqr").fit(train(), domains())
    assert one(default, **scores) == one(fitted(scope="domain_min", shrinkage=10), **scores)


@pytest.mark.parametrize("kappa", [1e9, 1e300, 1.7e308])
def test_huge_shrinkage_is_the_sources_scale(kappa):
    median, iqr = median_iqr(SOURCE)
    assert one(fitted(shrinkage=kappa), source=1e9, target=40.0) == pytest.approx((40.0 - median) / iqr, rel=1e-7)


@pytest.mark.parametrize(("n", "published"), [(10, 0.871), (20, 0.933), (50, 0.970)])
def test_small_sample_iqr_against_monte_carlo(n, published):
    rng = np.random.default_rng(0)
    low, high = np.quantile(rng.standard_normal((40_000, n)), [0.25, 0.75], axis=1)
    ratio = (high - low) / 1.3489795003921634
    # 40,000 draws: standard error 0.0016 for n = 10, 0.0008 for n = 50.
    standard_error = ratio.std() / math.sqrt(len(ratio))
    assert standard_error < 0.0017
    assert abs(small_sample_iqr(n) - ratio.mean()) < 4 * standard_error
    assert small_sample_iqr(n) == pytest.approx(published, abs=0.003)


def test_small_sample_iqr_of_two_values_is_known():
    # Half of the expected range, 2 / sqrt(pi), of two Gaussian values.
    assert small_sample_iqr(2) == pytest.approx(1 / math.sqrt(math.pi) / 1.3489795003921634, rel=1e-6)
    # Tables of normal order statistics: of ten, the third and fourth are at 0.6561 and 0.3758 from the middle.
    assert small_sample_iqr(10) == pytest.approx(2 * (0.75 * 0.6561 + 0.25 * 0.3758) / 1.34898, abs=1e-4)
    assert small_sample_iqr(1000) == pytest.approx(1.0, abs=2e-3)


def test_one_target_clip_has_a_place_but_no_spread():
    median, iqr = median_iqr(SOURCE)
    for kappa in (0.0, 10.0):
        place = (30.0 + kappa * median) / (1 + kappa)
        z = one(fitted(target=np.array([30.0]), shrinkage=kappa), source=1e9, target=50.0)
        assert z == pytest.approx((50.0 - place) / iqr, rel=1e-12)


def test_without_target_clips_the_source_stands_for_both():
    median, iqr = median_iqr(SOURCE)
    normalizer = asdcore.load_normalizer("median_iqr").fit({"pooled": SOURCE, "source": SOURCE}, domains(6, 0))
    assert one(normalizer, pooled=-5.0, source=30.0) == pytest.approx((30.0 - median) / iqr, rel=1e-15)


def test_without_source_clips_the_target_stands_for_both():
    median, iqr = median_iqr(TARGET)
    normalizer = asdcore.load_normalizer("median_iqr").fit({"pooled": TARGET, "target": TARGET}, domains(0, 3))
    assert one(normalizer, pooled=-5.0, target=30.0) == pytest.approx((30.0 - median) / iqr, rel=1e-15)


def test_a_scorer_with_the_pooled_bank_only_is_still_calibrated_by_domain():
    normalizer = asdcore.load_normalizer("median_iqr", shrinkage=0).fit({"pooled": train()["pooled"]}, domains())
    (m_s, iqr_s), (m_t, iqr_t) = median_iqr(SOURCE), median_iqr(TARGET)
    expected = min((28.0 - m_s) / iqr_s, (28.0 - m_t) / (iqr_t / small_sample_iqr(3)))
    assert one(normalizer, pooled=28.0) == pytest.approx(expected, rel=1e-12)


def test_pooled_scope_takes_the_only_reference_but_does_not_choose():
    scores = {"source": SOURCE, "target": 2 * SOURCE}
    normalizer = asdcore.load_normalizer("median_iqr", scope="pooled")
    only = normalizer.fit({"source": SOURCE}, domains(6, 0)).transform({"source": SOURCE})
    assert np.array_equal(only, normalizer.fit({"pooled": SOURCE}, domains(6, 0)).transform({"pooled": SOURCE}))
    with pytest.raises(DataError, match=r"gives source and target\. Add 'pooled' to its references, or .*domain_min"):
        normalizer.fit(scores, domains(6, 0))


@pytest.mark.parametrize("kappa", [0.0, 10.0])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6), st.integers(0, 2), st.floats(0, 1e6))
def test_z_never_falls_and_a_clips_z_is_its_own(kappa, values, moved, rise):
    normalizer = fitted(shrinkage=kappa)
    names = ("pooled", "source", "target")
    low = {name: np.array([values[i], values[i + 3]]) for i, name in enumerate(names)}
    high = {name: scores + rise * (i == moved) for i, (name, scores) in enumerate(low.items())}
    z = normalizer.transform(low)
    assert (normalizer.transform(high) >= z).all()
    assert z[1] == normalizer.transform({name: scores[1:] for name, scores in low.items()})[0]


@pytest.mark.parametrize(
    ("parameters", "source", "target", "which"),
    [
        ({"scope": "pooled"}, np.full(6, 0.5), np.full(3, 0.5), r"9 train-normal scores \(all\)"),
        ({}, np.full(6, 0.5), TARGET, r"6 train-normal scores \(source\)"),
        ({}, SOURCE, np.full(3, 0.5), r"3 train-normal scores \(target\)"),
        ({}, np.array([0.5]), TARGET, r"1 train-normal scores \(source\)"),
        ({}, np.array([0.1, 0.7, 0.7, 0.7, 0.7, 0.7]), TARGET, r"6 train-normal scores \(source\)"),
        ({}, 1e9 + np.arange(6) * 1e-7, TARGET, r"6 train-normal scores \(source\)"),
    ],
)
def test_no_spread_is_refused(parameters, source, target, which):
    with pytest.raises(DataError, match=rf"interquartile range of the {which} is 0.*repeated clips"):
        fitted(source, target, **parameters)


def test_small_scores_are_not_no_spread():
    assert one(fitted(SOURCE * 1e-9, TARGET * 1e-9, scope="pooled"), pooled=30e-9) == pytest.approx(19 / 16, rel=1e-4)


def test_no_train_normals_and_no_fit():
    normalizer = asdcore.load_normalizer("median_iqr")
    with pytest.raises(DataError, match=r"call fit\(scores, domain\) first"):
        normalizer.transform(train())
    with pytest.raises(DataError, match="needs at least 1 train normals of the source or the target domain"):
        normalizer.fit({"pooled": np.array([])}, domains(0, 0))
    normalizer.fit(train(), domains())
    with pytest.raises(DataError, match="interquartile range"):
        normalizer.fit(train(source=np.ones(6)), domains())
    with pytest.raises(DataError, match="call fit"):
        normalizer.transform(train())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scope": "all"}, "scope must be one of pooled, source, target, domain_min, domain_soft, got 'all'"),
        ({"shrinkage": -1}, "shrinkage must be a number of at least 0, got -1"),
        ({"shrinkage": math.inf}, "shrinkage must be a number of at least 0, got inf"),
        ({"shrinkage": math.nan}, "shrinkage must be a number of at least 0, got nan"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_normalizer("median_iqr", **parameters)


def test_one_domains_scope_reads_that_domain_alone():
    (m_s, iqr_s), (m_t, iqr_t) = median_iqr(SOURCE), median_iqr(TARGET)
    scores = {"pooled": -99.0, "source": 12.0, "target": 31.0}
    assert one(fitted(scope="source"), **scores) == pytest.approx((12.0 - m_s) / iqr_s, rel=1e-13)
    alone = (31.0 - m_t) / (iqr_t / small_sample_iqr(3))
    assert one(fitted(scope="target", shrinkage=0), **scores) == pytest.approx(alone, rel=1e-13)
    drawn = min(one(fitted(), **{**scores, "source": 1e9}), 1e9)
    assert one(fitted(scope="target"), **scores) == drawn


@pytest.mark.parametrize(("scope", "kept"), [("source", slice(6, None)), ("target", slice(None, 6))])
def test_a_scope_of_a_domain_without_clips_is_refused(scope, kept):
    scores = {name: values[kept] for name, values in train().items()}
    with pytest.raises(DataError, match=f"{scope} needs at least 1 train normals of the {scope} domain"):
        asdcore.load_normalizer("median_iqr", scope=scope).fit(scores, domains()[kept])


@pytest.mark.parametrize("temperature", [0.01, 1.0, 50.0])
def test_domain_soft_is_the_soft_minimum_of_both_z(temperature):
    scores = {name: np.linspace(-40, 60, 21) * sign for name, sign in (("source", 1), ("target", -1), ("pooled", 1))}
    soft = fitted(scope="domain_soft", temperature=temperature).transform(scores)
    both = np.array([fitted(scope=name).transform(scores) for name in ("source", "target")])
    with np.errstate(over="ignore"):
        expected = -temperature * np.log(np.exp(-(both - both.min(0)) / temperature).mean(0)) + both.min(0)
    assert np.allclose(soft, expected, rtol=1e-12, atol=1e-12)
    assert (both.min(0) <= soft).all()
    assert (soft <= np.minimum(both.mean(0) + 1e-9, both.min(0) + temperature * np.log(2) + 1e-9)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4), st.integers(0, 1), st.floats(0, 1e3))
def test_domain_soft_never_falls(values, moved, rise):
    normalizer = fitted(scope="domain_soft")
    low = {"source": np.array(values[:2]), "target": np.array(values[2:])}
    high = {name: scores + rise * (i == moved) for i, (name, scores) in enumerate(low.items())}
    # Far out the rounding of z itself is all that is left.
    assert (normalizer.transform(high) - normalizer.transform(low) >= -1e-12 * np.abs(values).max()).all()


def test_domain_soft_without_target_clips_is_the_sources_z():
    few = {"pooled": SOURCE, "source": SOURCE}
    z = [
        asdcore.load_normalizer("median_iqr", scope=scope).fit(few, domains(6, 0)).transform(few)
        for scope in ("domain_soft", "source")
    ]
    assert np.array_equal(*z)


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan, "hot"])
def test_bad_temperature(temperature):
    with pytest.raises(asdcore.PluginError, match=f"temperature must be a number above 0, got {temperature!r}"):
        asdcore.load_normalizer("median_iqr", scope="domain_soft", temperature=temperature)
