"""One huge train-normal score: every normalizer bears it, or says that it does not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import asdcore

BEARS = ("ecdf", "conformal", "mad", "median_ratio", "median_iqr")
SAYS_SO = ("mean_std", "domain_z", "gamma")
PROBES = np.array([1.0, 5.0, 8.0, 10.0])


def normals(n_source=200, n_target=10, seed=0):
    rng = np.random.default_rng(seed)
    scores = np.abs(np.concatenate([rng.normal(5, 1, n_source), rng.normal(6, 1, n_target)]))
    return scores, np.array(["source"] * n_source + ["target"] * n_target)


def fit(name, scores, domain, **parameters):
    by_reference = dict.fromkeys(("pooled", "source", "target"), scores)
    return asdcore.load_normalizer(name, **parameters).fit(by_reference, domain)


def z(fitted, scores=PROBES):
    return fitted.transform(dict.fromkeys(("pooled", "source", "target"), scores))


@pytest.mark.parametrize("name", [*BEARS, *SAYS_SO, "gpd"])
def test_ordinary_scores_pass_without_a_word(name):
    scores, domain = normals()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(name, scores, domain)


@pytest.mark.parametrize("where", [0, 200], ids=["source", "target"])
@pytest.mark.parametrize("name", BEARS)
def test_a_robust_normalizer_bears_one_huge_score(name, where):
    scores, domain = normals()
    expected = z(fit(name, scores, domain))
    scores[where] = 1e8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = z(fit(name, scores, domain))
    assert after[3] > after[1] > after[0]
    assert np.ptp(after[:3]) > 0.3 * np.ptp(expected[:3])


@pytest.mark.parametrize("where", ["source", "target"])
@pytest.mark.parametrize("name", SAYS_SO)
def test_any_other_says_so(name, where):
    scores, domain = normals()
    scores[np.flatnonzero(domain == where)[0]] = 1e8
    n = (domain == where).sum()
    with pytest.warns(UserWarning, match=rf"{name}: 1 of the {n} train-normal scores \({where}\) decide.*1e\+08.*ecdf"):
        fit(name, scores, domain)


@pytest.mark.parametrize("name", ["mean_std", "gamma"])
def test_the_pooled_scope_says_so_too(name):
    scores, domain = normals()
    scores[7] = 1e8
    with pytest.warns(UserWarning, match=r"1 of the 210 train-normal scores \(all\)"):
        fit(name, scores, domain, scope="pooled")


def test_a_scale_that_holds_but_lies_elsewhere_is_told():
    """Published domain_z divides by the target's deviation: a huge source score moves the mean, not the scale."""
    scores, domain = normals()
    scores[0] = 1e8
    with pytest.warns(UserWarning, match=r"domain_z: 1 of the 200 train-normal scores \(source\)"):
        fit("domain_z", scores, domain, shrinkage=0.0)


@pytest.mark.parametrize("name", ["median_iqr", "gpd"])
def test_more_than_it_can_bear_is_told(name):
    scores, domain = normals()
    scores[200:203] = 1e8
    with pytest.warns(UserWarning, match=r"3 of the 10 train-normal scores \(target\)"):
        fit(name, scores, domain, scope="domain_min")


def test_a_tail_that_hangs_on_one_score_is_told():
    """Within the train normals gpd bears it; beyond them, where anomalies lie, one huge score makes the tail."""
    scores, domain = normals(990, 10)
    expected = z(fit("gpd", scores, domain), np.array([9.0, 20.0]))
    scores[0] = 1e8
    with pytest.warns(UserWarning, match=r"gpd: 1 of the 1000 train-normal scores \(all\) decide"):
        after = z(fit("gpd", scores, domain), np.array([9.0, 20.0]))
    assert np.ptp(after) < 0.5 * np.ptp(expected)


@pytest.mark.parametrize("where", ["source", "target"])
@pytest.mark.parametrize("tiny", [1e-300, 1e-15, 1e-8])
def test_a_score_next_to_nothing_is_told_by_what_takes_logarithms(tiny, where):
    """As knn gives to a train clip that was recorded twice."""
    scores, domain = normals(100, 10)
    scores[np.flatnonzero(domain == where)[0]] = tiny
    n = (domain == where).sum()
    with pytest.warns(
        UserWarning, match=rf"gamma: 1 of the {n} train-normal scores \({where}\).* farthest is {tiny:.3g}"
    ):
        fit("gamma", scores, domain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in (*BEARS, "mean_std", "domain_z", "gpd"):
            fit(name, scores, domain)


def test_a_heavy_tail_is_no_extreme():
    rng = np.random.default_rng(3)
    scores = np.exp(rng.normal(0, 1.5, 500))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit("mean_std", scores, np.array(["source"] * 500))
