"""asdcore.evidence.uncertainty.interval: quantiles, BCa against SciPy's, and the jackknife over machines."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import auc, pauc
from asdcore.evidence.uncertainty.interval import acceleration, bca, check_level, jackknife, percentile


def test_percentile_leaves_as_much_on_either_side():
    replicates = np.arange(1001) / 1000
    interval = percentile(0.5, replicates, 0.9)
    assert (interval.estimate, interval.method, interval.level) == (0.5, "percentile", 0.9)
    assert (interval.low, interval.high) == pytest.approx((0.05, 0.95), abs=1e-12)
    assert interval.as_json() == [interval.low, interval.high]


@pytest.mark.parametrize("measure", [auc, pauc])
@pytest.mark.parametrize("seed", range(4))
def test_bca_is_that_of_scipy(measure, seed):
    rng = np.random.default_rng(seed)
    anomalies, normals = np.round(rng.normal(1.5, 1, 25), 1), np.round(rng.normal(0, 1, 40), 1)

    def statistic(a, x):
        return measure(np.concatenate([x, a]), np.repeat([0, 1], [len(x), len(a)]))

    replicates = np.array([statistic(rng.choice(anomalies, 25), rng.choice(normals, 40)) for _ in range(400)])
    theirs = bootstrap(
        (anomalies, normals),
        statistic,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=replicates),
        method="BCa",
        vectorized=False,
        confidence_level=0.9,
    ).confidence_interval
    left_out = np.array(
        [statistic(np.delete(anomalies, i), normals) for i in range(25)]
        + [statistic(anomalies, np.delete(normals, i)) for i in range(40)]
    )
    skewness = acceleration(left_out, (("anomalies", np.arange(25)), ("normals", np.arange(25, 65))))
    ours = bca(statistic(anomalies, normals), replicates, skewness, 0.9)
    assert ours.method == "bca"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_bca_of_an_unbiased_symmetric_estimate_is_the_percentile_interval():
    replicates = np.random.default_rng(0).permutation(np.arange(-500, 501)) / 1000
    one, other = bca(0.0, replicates, 0.0, 0.95), percentile(0.0, replicates, 0.95)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


def test_an_estimate_that_no_resampling_moves_has_no_width():
    interval = bca(1.0, np.ones(500), acceleration(np.ones(30), (("s", np.arange(30)),)), 0.95)
    assert (interval.low, interval.high) == (1.0, 1.0)


@pytest.mark.parametrize("estimate", [-1.0, 2.0])
def test_replicates_all_on_one_side_still_give_an_interval_among_them(estimate):
    replicates = np.random.default_rng(1).uniform(size=500)
    for skewness in (-1 / 6, 0.0, 1 / 6):
        interval = bca(estimate, replicates, skewness, 0.999)
        assert replicates.min() <= interval.low <= interval.high <= replicates.max()


def test_a_clip_alone_in_its_stratum_does_not_skew():
    left_out = np.random.default_rng(2).normal(size=11)
    strata = (("many", np.arange(10)),)
    assert acceleration(left_out, (*strata, ("one", np.array([10])))) == acceleration(left_out, strata) != 0


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(3).uniform(0.4, 0.7, 7)
    left_out = np.array([np.delete(values, i).mean() for i in range(7)])
    interval = jackknife(values.mean(), left_out, 0.95)
    expected = t.interval(0.95, 6, values.mean(), values.std(ddof=1) / math.sqrt(7))
    assert interval.method == "jackknife"
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)


def test_the_jackknife_stays_within_what_a_score_can_be():
    interval = jackknife(0.5, np.array([0.1, 0.9]), 0.95)
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_a_level_is_a_share(level):
    with pytest.raises(EvaluationError, match=rf"level is {level}; it must lie between 0 and 1"):
        check_level(level)
