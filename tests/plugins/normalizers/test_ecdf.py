"""The smooth train-normal CDF as a normalizer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import asdcore
from asdcore import DataError

SOURCE = np.array([1.0, 2.0, 4.0, 8.0])
TARGET = np.array([10.0, 30.0])
DOMAIN = np.array(["source"] * 4 + ["target"] * 2)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, [1e6, 1e6]]),
    "target": np.concatenate([np.full(4, 1e6), TARGET]),
}
OUTPUTS = ("probability", "normal", "surprise")


def fitted(train=TRAIN, domain=DOMAIN, **parameters):
    return asdcore.load_normalizer("ecdf", **parameters).fit(train, domain)


def pooled(normals, scores, output="probability"):
    normalizer = fitted({"pooled": np.asarray(normals, float)}, np.full(len(normals), "source"), output=output)
    return normalizer.transform({"pooled": np.asarray(scores, float)})


def test_probability_by_hand():
    # Knots i / 7, and 6 halfway between two of them. The median is 6: above 30 the scale is 24, below 1 it is 5.
    scores = {"pooled": np.array([1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 30.0, 54.0, -4.0])}
    expected = np.array([1.0, 2.0, 3.0, 3.5, 4.0, 5.0, 6.0, 6.5, 0.5]) / 7
    assert np.allclose(fitted().transform(scores), expected, rtol=1e-14)


def test_normal_is_the_gaussian_quantile_of_the_probability():
    scores = {"pooled": np.linspace(-20, 200, 101)}
    probability = fitted().transform(scores)
    assert np.allclose(fitted(output="normal").transform(scores), norm.ppf(probability), rtol=1e-9, atol=1e-12)


def test_domain_min_is_the_smaller_of_the_domains_own_curves():
    scores = {"pooled": np.full(3, 7.0), "source": np.array([2.0, 100.0, 8.0]), "target": np.array([500.0, 10.0, 20.0])}
    z = fitted(scope="domain_min", shrinkage=0).transform(scores)
    # Source knots i / 5, target knots i / 3; against the target 20 is halfway: 1/2.
    assert np.allclose(z, [2 / 5, 1 / 3, 1 / 2], rtol=1e-14)


@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_shrinkage_mixes_the_targets_curve_with_the_sources(kappa):
    scores = {"source": np.full(60, 1e9), "target": np.linspace(-20, 500, 60)}
    own, drawn = 2 / (2 + kappa), kappa / (2 + kappa)
    target, source = asdcore.SmoothEcdf(TARGET), asdcore.SmoothEcdf(SOURCE)
    expected = own * target.cdf(scores["target"]) + drawn * source.cdf(scores["target"])
    assert np.allclose(fitted(scope="domain_min", shrinkage=kappa).transform(scores), expected, rtol=1e-13)
    above = own * target.survival(scores["target"]) + drawn * source.survival(scores["target"])
    surprise = fitted(scope="domain_min", shrinkage=kappa, output="surprise").transform(scores)
    assert np.allclose(surprise, -np.log(above), rtol=1e-12)
    normal = fitted(scope="domain_min", shrinkage=kappa, output="normal").transform(scores)
    assert np.allclose(normal, np.where(expected < 0.5, norm.ppf(expected), norm.isf(above)), rtol=1e-9, atol=1e-12)


def test_default_shrinkage_is_ten_clips():
    scores = {"source": np.full(9, 1e9), "target": np.linspace(-20, 500, 9)}
    z = [fitted(scope="target", **given).transform(scores) for given in ({}, {"shrinkage": 10})]
    assert np.array_equal(*z)


def test_ties_share_their_mean_rank():
    assert np.allclose(pooled([1, 3, 3, 3, 9], [1, 3, 9]), np.array([1, 3, 5]) / 6, rtol=1e-14)


NORMALS = st.lists(st.integers(-400, 400), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1)


@pytest.mark.parametrize("output", OUTPUTS)
@settings(max_examples=60, deadline=None)
@given(normals=NORMALS, scores=st.lists(st.integers(-100_000, 100_000), min_size=2, max_size=40, unique=True))
def test_strictly_increasing_and_never_saturated(output, normals, scores):
    z = pooled(np.array(normals) / 4, np.sort(scores) / 100, output)
    assert (np.diff(z) > 0).all()
    assert np.isfinite(z).all()
    if output == "probability":
        assert ((z > 0) & (z < 1)).all()


@pytest.mark.parametrize("output", OUTPUTS)
def test_far_out_clips_are_still_told_apart(output):
    normals = np.random.default_rng(0).gamma(9.0, size=990)
    far = np.geomspace(50.0, 1e9, 200)
    z = pooled(normals, np.concatenate([-far[::-1], far]), output)
    assert (np.diff(z) > 0).all()
    assert np.isfinite(z).all()


@pytest.mark.parametrize("output", OUTPUTS)
@settings(max_examples=60, deadline=None)
@given(normals=NORMALS, score=st.floats(-300, 300))
def test_smooth_without_jumps(output, normals, score):
    step = 1e-9
    low, high = pooled(np.array(normals) / 4, [score, score + step], output)
    # The steepest piece climbs 30 ranks of 1/31 within 1/4; the normal quantile is steepest at the ends, 1/phi(1/31).
    assert (
        0 <= high - low <= 4.1 * step * (1 if output == "probability" else 1 / norm.pdf(norm.ppf(1 / 31)) * 2) + 1e-12
    )


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("scope", ["pooled", "domain_min"])
@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(-1e4, 1e4), min_size=6, max_size=6), moved=st.integers(0, 2), rise=st.floats(0, 1e4))
def test_z_never_falls_and_a_clips_z_is_its_own(scope, output, values, moved, rise):
    normalizer = fitted(scope=scope, output=output)
    low = {name: np.array([values[i], values[i + 3]]) for i, name in enumerate(TRAIN)}
    high = {name: scores + rise * (i == moved) for i, (name, scores) in enumerate(low.items())}
    z = normalizer.transform(low)
    assert (normalizer.transform(high) >= z).all()
    assert z[1] == normalizer.transform({name: scores[1:] for name, scores in low.items()})[0]


def test_one_target_clip_has_no_curve_and_the_source_stands_for_both():
    few = {name: scores[:5] for name, scores in TRAIN.items()}
    normalizer = fitted(few, DOMAIN[:5], scope="domain_min")
    scores = {"pooled": np.array([0.0]), "source": np.array([4.0]), "target": np.array([-99.0])}
    assert normalizer.transform(scores)[0] == pytest.approx(3 / 5)
    with pytest.raises(DataError, match="at least 2 train normals of the source or the target domain"):
        fitted({"pooled": np.array([1.0, 5.0])}, np.array(["source", "target"]), scope="domain_min")


def test_no_target_clips():
    few = {name: scores[:4] for name, scores in TRAIN.items() if name != "target"}
    z = fitted(few, DOMAIN[:4], scope="domain_min").transform({"pooled": np.array([0.0]), "source": np.array([8.0])})
    assert z[0] == pytest.approx(4 / 5)


def test_all_the_same_is_refused():
    with pytest.raises(DataError, match="at least 2 different train-normal scores, found 1"):
        fitted({"pooled": np.full(6, 0.25)})


def test_pooled_scope_does_not_choose_between_references():
    with pytest.raises(DataError, match=r"gives source and target\. Add 'pooled' to its references, or .*domain_min"):
        fitted({name: TRAIN[name] for name in ("source", "target")})
    assert fitted({"source": TRAIN["source"]}).transform({"source": np.array([1.0])})[0] == pytest.approx(1 / 7)


def test_before_fit_and_after_a_fit_that_failed():
    normalizer = asdcore.load_normalizer("ecdf")
    with pytest.raises(DataError, match=r"call fit\(scores, domain\) first"):
        normalizer.transform(TRAIN)
    normalizer.fit(TRAIN, DOMAIN)
    with pytest.raises(DataError, match="at least 2 different"):
        normalizer.fit({"pooled": np.ones(6)}, DOMAIN)
    with pytest.raises(DataError, match="call fit"):
        normalizer.transform(TRAIN)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scope": "all"}, "scope must be one of pooled, source, target, domain_min, got 'all'"),
        ({"output": "z"}, "output must be one of probability, normal, surprise, got 'z'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_normalizer("ecdf", **parameters)
