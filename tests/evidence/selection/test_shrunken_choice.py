"""Few faults move little, many move much, none moves nothing; and what moves is what finds the faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.evidence.metrics import auc
from asdcore.evidence.selection.shrunken_choice import choose, gains, mixed


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


def test_a_branch_that_leads_by_no_more_than_out_of_fold_normals_may_be_wrong_by_gets_nothing():
    assert choose(np.tile([0.57, 0.4], (50, 1)), np.full(50, 0.5)).moved == 0.0


def test_the_same_faults_and_seed_choose_the_same():
    rng = np.random.default_rng(0)
    of_faults, of_default = rng.random((8, 5)), rng.random(8)
    first, again = (choose(of_faults, of_default, seed=3).shares for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_the_mean_gain_is_a_third_each_of_the_two_aucs_and_the_partial_auc():
    rng = np.random.default_rng(0)
    normals, faults = rng.normal(size=(200, 1)), rng.normal(1.0, 1.0, size=(30, 1))
    domain = np.repeat(["source", "target"], [150, 50])
    pooled = np.concatenate([normals, faults])[:, 0], np.repeat([0, 1], [200, 30])
    from sklearn.metrics import roc_auc_score

    of_domain = [
        auc(np.concatenate([normals[domain == d], faults])[:, 0], [0] * n + [1] * 30)
        for d, n in (("source", 150), ("target", 50))
    ]
    expected = np.mean([*of_domain, roc_auc_score(pooled[1], pooled[0], max_fpr=0.1)])
    assert gains(faults, normals, domain).mean() == pytest.approx(expected, abs=1e-9)


def test_ties_count_half_and_what_is_below_all_normals_gains_nothing_but_the_chance_of_the_tail():
    normals, domain = np.zeros((20, 1)), np.array(["source"] * 20)
    assert gains(np.array([[0.0]]), normals, domain)[0, 0] == pytest.approx(0.5)
    low, high = gains(np.array([[-1.0], [1.0]]), normals, domain)[:, 0]
    assert (low, high) == (pytest.approx((0 + (1 - 0.05 / 0.95) / 2) / 2), pytest.approx(1.0))
    low, tied, high = gains(np.array([[-1.0], [0.0], [1.0]]), normals[:3], domain[:3])[:, 0]
    assert (tied, high) == (pytest.approx(0.5), pytest.approx(1.0))
