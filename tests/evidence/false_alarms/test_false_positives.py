"""asdcore.evidence.false_alarms.false_positives: the exact interval of a rate, and two readings of one name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from asdcore.evidence.false_alarms.false_positives import clopper_pearson, target_false_positives


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (3, 10), (10, 10), (47, 990)])
def test_clopper_pearson_is_exact(hits, n):
    low, high = clopper_pearson(hits, n)
    exact = binomtest(hits, n).proportion_ci(method="exact")
    assert (low, high) == (pytest.approx(exact.low, abs=1e-12), pytest.approx(exact.high, abs=1e-12))
    if hits:
        assert binom.sf(hits - 1, n, low) == pytest.approx(0.025)
    if hits < n:
        assert binom.cdf(hits, n, high) == pytest.approx(0.025)


def cell(source, target, anomalies=(9.0,)):
    scores = np.array([*source, *target, *anomalies])
    labels = np.array([0] * (len(source) + len(target)) + [1] * len(anomalies))
    domains = np.array(["source"] * len(source) + ["target"] * len(target) + ["source"] * len(anomalies), dtype=object)
    return scores, labels, domains


def test_the_share_of_target_clips_among_the_top_tenth():
    source, target = np.arange(50.0), np.arange(50.0) + 40.5
    found = target_false_positives(*cell(source, target))
    assert found == {"target_fpr_at_threshold": None, "target_share_of_top_normals": 1.0}
    balanced = np.arange(0, 100.0)
    assert target_false_positives(*cell(balanced[::2], balanced[1::2]))["target_share_of_top_normals"] == 0.5
    # The top tenth of 100 normals is ten of them, of 11 it is two.
    assert target_false_positives(*cell(np.arange(10.0), [8.5]))["target_share_of_top_normals"] == 0.5


def test_the_rate_above_the_threshold_is_of_target_normals_alone():
    scores, labels, domains = cell([0.0, 5.0], [1.0, 6.0, 7.0, 2.0])
    found = target_false_positives(scores, labels, domains, scores > 4)
    assert found["target_fpr_at_threshold"] == 0.5


def test_ties_at_the_edge_share_what_is_left():
    scores, labels, domains = cell([1.0] * 30, [1.0] * 9 + [2.0])
    # Four of 40 normals: the one above, and three of the 39 that tie, of which 9 are target clips.
    assert target_false_positives(scores, labels, domains)["target_share_of_top_normals"] == pytest.approx(
        (1 + 3 * 9 / 39) / 4
    )
    order = np.random.default_rng(0).permutation(len(scores))
    again = target_false_positives(scores[order], labels[order], domains[order])
    assert again == target_false_positives(scores, labels, domains)


def test_without_target_normals_neither_exists():
    assert set(target_false_positives(*cell([1.0, 2.0], [])).values()) == {None}
