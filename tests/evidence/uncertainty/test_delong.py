"""asdcore.evidence.uncertainty.delong: the closed form against loops, the jackknife and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, kstest, norm

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import auc
from asdcore.evidence.uncertainty import delong, delong_difference


def some_case(seed, rounded=False):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [40, 30])
    base = rng.normal(size=70) + labels
    first, second = base + 0.5 * rng.normal(size=70), base + 0.8 * rng.normal(size=70)
    return (np.round(first), np.round(second), labels) if rounded else (first, second, labels)


def left_out_variance(statistic, labels):
    """Jackknife variance of a two-sample statistic: (k - 1) / k times the sum of squares, class by class."""
    total = 0.0
    for label in (0, 1):
        clips = np.flatnonzero(labels == label)
        values = np.array([statistic(np.delete(np.arange(len(labels)), i)) for i in clips])
        total += (len(clips) - 1) / len(clips) * np.sum((values - values.mean()) ** 2)
    return total


@pytest.mark.parametrize("rounded", [False, True])
def test_the_error_is_that_of_leaving_each_clip_out(rounded):
    first, second, labels = some_case(0, rounded)
    one = delong(first, labels)
    half = 1.959963984540054 * math.sqrt(left_out_variance(lambda kept: auc(first[kept], labels[kept]), labels))
    assert one.method == "delong"
    assert one.estimate == auc(first, labels)
    assert [one.low, one.high] == pytest.approx([one.estimate - half, one.estimate + half], abs=1e-12)
    both, p = delong_difference(first, second, labels)
    error = math.sqrt(
        left_out_variance(lambda kept: auc(first[kept], labels[kept]) - auc(second[kept], labels[kept]), labels)
    )
    assert both.high - both.low == pytest.approx(2 * 1.959963984540054 * error, abs=1e-12)
    assert p == pytest.approx(2 * norm.sf(abs(both.estimate) / error), rel=1e-9)


def test_a_difference_turned_round_changes_its_sign_alone():
    first, second, labels = some_case(1)
    (one, p), (other, q) = delong_difference(first, second, labels), delong_difference(second, first, labels)
    assert (one.estimate, one.low, one.high, p) == (-other.estimate, -other.high, -other.low, q)


def test_systems_that_rank_alike_do_not_differ():
    first, _, labels = some_case(2)
    interval, p = delong_difference(first, np.exp(first), labels)
    assert (interval.estimate, interval.low, interval.high, p) == (0, 0, 0, 1)


def test_a_higher_level_is_wider_and_no_end_leaves_the_range():
    first, _, labels = some_case(3)
    narrow, wide = delong(first, labels, 0.5), delong(first, labels, 0.999999)
    assert wide.low < narrow.low < narrow.high < wide.high <= 1
    with pytest.raises(EvaluationError, match=r"level is 95; it must lie between 0 and 1, such as 0\.95"):
        delong(first, labels, 95)


def test_one_clip_of_a_class_has_no_error():
    with pytest.raises(EvaluationError, match="needs two clips of each class; found 3 normal and 1 anomalous"):
        delong([1, 2, 3, 4], [0, 0, 0, 1])


def test_intervals_cover_the_true_auc_and_p_is_uniform_where_nothing_differs():
    rng, labels, trials = np.random.default_rng(4), np.repeat([0, 1], 50), 500
    covered, ps = 0, []
    for _ in range(trials):
        base = rng.normal(size=100) + labels
        first, second = (base + 0.5 * rng.normal(size=100) for _ in range(2))
        interval = delong(first, labels)
        covered += interval.low <= norm.cdf(1 / math.sqrt(2 * 1.25)) <= interval.high
        ps.append(delong_difference(first, second, labels)[1])
    low, high = binom.ppf([0.0005, 0.9995], trials, 0.95)
    assert low <= covered <= high
    assert kstest(ps, "uniform").pvalue > 0.001
