"""F1-EV against its definition, and what it does and does not hang on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import f1_ev


def by_sums(scores, labels, low, high):
    """Add up F1 at the lower end of every step between ``low`` and ``high``, by its width."""
    steps = np.unique(scores)
    ends = np.concatenate([[low], steps[(steps > low) & (steps < high)], [high]])
    f1 = [f1_score(labels, scores > end, zero_division=0.0) for end in ends]
    return np.sum(np.diff(ends) / (high - low) * f1[:-1])


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_mean_f1_over_thresholds(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], rng.integers(1, 30, 2)))
    scores = np.round(rng.normal(labels * rng.uniform(0, 3), 1.0), 1)
    scores[0] += 10.0
    assert f1_ev(scores, labels) == pytest.approx(by_sums(scores, labels, scores.min(), scores.max()), abs=1e-12)
    draws = np.linspace(scores.min(), scores.max(), 4001)[:-1]
    drawn = np.mean([f1_score(labels, scores > draw, zero_division=0.0) for draw in draws[::20]])
    assert f1_ev(scores, labels) == pytest.approx(drawn, abs=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_bounded_it_draws_between_the_normals_and_the_best_threshold(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], rng.integers(2, 30, 2)))
    scores = rng.normal(labels * 2.0, 1.0)
    steps = np.unique(scores)
    best = steps[np.argmax([f1_score(labels, scores > step, zero_division=0.0) for step in steps])]
    margin = 0.2515 * scores[labels == 0].std()
    expected = by_sums(scores, labels, scores[labels == 0].mean() - margin, best + margin)
    assert f1_ev(scores, labels, bounded=True) == pytest.approx(expected, abs=1e-12)


def test_a_best_threshold_far_below_the_normals_leaves_f1_at_the_lower_bound():
    # Anomalies are the quiet ones here: flagging all but the lowest clip is best, and 90 is below what bounds it.
    scores, labels = np.array([0.0, 1.0, 100.0, 101.0]), np.array([1, 1, 0, 0])
    assert f1_ev(scores, labels, bounded=True) == 0.0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), gain=st.floats(0.01, 100), offset=st.floats(-50, 50))
def test_gain_and_offset_change_nothing_and_it_lies_within_0_and_1(seed, gain, offset):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], rng.integers(2, 20, 2))
    scores = rng.normal(size=len(labels))
    for bounded in (False, True):
        expected = f1_ev(scores, labels, bounded)
        assert 0.0 <= expected <= 1.0
        assert f1_ev(gain * scores + offset, labels, bounded) == pytest.approx(expected, abs=1e-6)


def test_of_perfect_rankings_the_one_with_wider_room_is_better():
    labels = [0, 0, 0, 1, 1, 1]
    assert f1_ev([0, 1, 2, 10, 11, 12], labels) > f1_ev([0, 1, 2, 3, 4, 5], labels)


def test_a_single_threshold_brings_its_own_f1():
    assert f1_ev([2.0, 2.0], [0, 1]) == 0.0
    assert f1_ev([1.0, 1.0, 2.0], [0, 0, 1], bounded=True) == 1.0


def test_one_class_alone_is_refused():
    with pytest.raises(EvaluationError, match="needs normal and anomalous clips"):
        f1_ev([1.0, 2.0], [0, 0])
