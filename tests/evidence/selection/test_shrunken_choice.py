"""Few faults move little, many move much, none moves nothing; and what moves is what finds the faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.evidence.selection.shrunken_choice import choose, mixed


def test_without_a_fault_the_weights_are_the_defaults_own_bits():
    default = np.array([0.1, 0.0, 0.7])
    weights = mixed(default, choose(np.zeros((0, 3)), np.zeros(0)))
    assert weights.tobytes() == default.tobytes()


@given(st.integers(0, 30), st.integers(1, 6), st.integers(0, 99))
def test_the_say_as_a_whole_stays_what_it_was(n_faults, n_branches, seed):
    rng = np.random.default_rng(seed)
    default = rng.random(n_branches) * (rng.random(n_branches) > 0.3) + np.eye(n_branches)[0]
    choice = choose(rng.random((n_faults, n_branches)), rng.random(n_faults), draws=100)
    weights = mixed(default, choice)
    assert 0 <= choice.moved <= 1
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(default.sum())


def test_the_more_faults_say_the_same_the_more_moves():
    moved = [choose(np.tile([0.9, 0.5], (k, 1)), np.full(k, 0.5)).moved for k in (1, 2, 5, 20)]
    assert moved == sorted(moved)
    assert moved[0] < 0.5 < 0.9 < moved[-1]


def test_a_lead_that_only_some_draws_of_the_normals_show_moves_less_than_one_that_all_show():
    sure = np.full((10, 20, 1), 0.7)
    unsure = sure + np.where(np.arange(10) % 2, 0.3, -0.3)[:, None, None]
    default = np.full((10, 20), 0.5)
    assert choose(unsure, default).moved == pytest.approx(0.5)
    assert choose(sure, default).moved > 0.9


def test_a_branch_that_leads_by_no_more_than_the_doubt_gets_nothing():
    assert choose(np.tile([0.54, 0.4], (50, 1)), np.full(50, 0.5)).moved == 0.0


def test_candidates_of_the_same_gains_tie_and_the_first_one_wins_whatever_rounding_says():
    gain = np.random.default_rng(0).uniform(0.6, 0.9, (30, 1))
    choice = choose(np.hstack([gain, gain + 1e-14, gain - 1e-14]), np.full(30, 0.4))
    assert choice.shares[0] == choice.moved > 0.9


def test_the_same_faults_and_seed_choose_the_same():
    rng = np.random.default_rng(0)
    of_faults, of_default = rng.random((8, 5)), rng.random(8)
    first, again = (choose(of_faults, of_default, seed=3).shares for _ in range(2))
    assert first.tobytes() == again.tobytes()
