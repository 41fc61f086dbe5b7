"""asdcore.evidence.uncertainty.resample: what is drawn, and that it depends on nothing but its stratum."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.uncertainty.resample import (
    MOST,
    bootstrap_weights,
    check_draws,
    left_out_weights,
    precision,
    swaps,
)

STRATA = (("a", np.array([0, 2, 4])), ("b", np.array([1, 3, 5, 6, 7])), ("c", np.array([8])))


def test_every_stratum_keeps_its_size():
    weights = bootstrap_weights(STRATA, 200, seed=0)
    assert weights.shape == (9, 200)
    for _, clips in STRATA:
        assert (weights[clips].sum(axis=0) == len(clips)).all()


def test_every_clip_is_drawn_as_often_as_the_others():
    weights = bootstrap_weights((("a", np.arange(20)),), 20_000, seed=1)
    # multinomial: mean 1, variance 1 - 1/20, covariance -1/20
    assert weights.mean(axis=1) == pytest.approx(1, abs=5 * np.sqrt(0.95 / 20_000))
    covariance = np.cov(weights)
    assert np.diag(covariance) == pytest.approx(0.95, abs=0.08)
    assert covariance[~np.eye(20, dtype=bool)] == pytest.approx(-0.05, abs=0.05)


def test_a_stratum_does_not_depend_on_the_others():
    alone = bootstrap_weights((("b", np.arange(5)),), 50, seed=3)
    assert np.array_equal(alone, bootstrap_weights(STRATA, 50, seed=3)[STRATA[1][1]])
    assert not np.array_equal(alone, bootstrap_weights((("B", np.arange(5)),), 50, seed=3))


def test_more_replicates_begin_with_the_same():
    assert np.array_equal(bootstrap_weights(STRATA, 500, 0), bootstrap_weights(STRATA, 2000, 0)[:, :500])
    assert np.array_equal(swaps("s", 9, 500, 0), swaps("s", 9, 2000, 0)[:, :500])


def test_a_seed_gives_the_same_draws_always_and_another_seed_others():
    assert np.array_equal(bootstrap_weights(STRATA, 50, 7), bootstrap_weights(STRATA, 50, 7))
    assert not np.array_equal(bootstrap_weights(STRATA, 50, 7), bootstrap_weights(STRATA, 50, 8))
    assert not np.array_equal(swaps("s", 9, 50, 7), swaps("s", 9, 50, 8))


def test_each_clip_is_left_out_once_unless_it_is_alone():
    weights = left_out_weights(STRATA)
    assert np.array_equal(weights[:, :8], (1 - np.eye(9))[:, :8])
    assert np.array_equal(weights[:, 8], np.ones(9))


def test_weights_are_in_single_precision_while_it_holds_every_sum_of_halves():
    clips = 1 << 22
    assert precision(clips) is np.float32
    assert np.float32(clips - 0.5) == clips - 0.5
    assert precision(clips + 1) is np.float64
    assert {w.dtype for w in (bootstrap_weights(STRATA, 9, 0), left_out_weights(STRATA), swaps("s", 9, 9, 0))} == {
        np.dtype(np.float32)
    }


def test_half_of_the_swaps_are_done():
    chosen = swaps("s", 100, 1000, 0)
    assert set(np.unique(chosen)) == {0.0, 1.0}
    assert chosen.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(chosen.size))


RECORDINGS = np.array([0, 1, 0, 1, 2, 2, 3, 3, 4])


def test_clips_of_one_recording_are_drawn_left_out_and_swapped_together():
    weights = bootstrap_weights(STRATA, 200, 0, RECORDINGS)
    assert np.array_equal(weights[[0, 6]], weights[[2, 7]])
    assert (weights[0] + weights[4] == 2).all()
    assert set(np.unique(weights[8])) == {1}
    without = left_out_weights(STRATA, RECORDINGS)
    assert without[:, 0].tolist() == [0, 1, 0, 1, 1, 1, 1, 1, 1]
    assert without[:, 8].tolist() == [1] * 9
    chosen = swaps("s", 9, 100, 0, RECORDINGS)
    assert np.array_equal(chosen[1], chosen[3])
    assert not np.array_equal(chosen[1], chosen[0])


def test_recordings_of_one_clip_each_and_a_single_recording_change_nothing():
    for recordings in (np.arange(9), np.array([3, 1, 4, 8, 5, 0, 2, 6, 7]), np.zeros(9, dtype=np.intp)):
        assert np.array_equal(bootstrap_weights(STRATA, 50, 7, recordings), bootstrap_weights(STRATA, 50, 7))
        assert np.array_equal(left_out_weights(STRATA, recordings), left_out_weights(STRATA))
        assert np.array_equal(swaps("s", 9, 50, 7, recordings), swaps("s", 9, 50, 7))


def test_more_draws_than_anyone_needs_are_refused():
    with pytest.raises(EvaluationError, match=r"replicates is 10{40}; at most 1,000,000 are allowed"):
        bootstrap_weights(STRATA, 10**40, seed=0)
    check_draws("permutations", MOST)
