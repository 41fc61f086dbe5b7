"""The gain of a fault is the official cells' mean, and a fault meets each normal under the model that scored it."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.evidence.metrics import auc
from asdcore.evidence.selection.fault_gains import CellScores, drawn_normals, gains


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


def test_a_normal_that_weighs_three_times_is_a_normal_that_is_there_three_times():
    rng = np.random.default_rng(1)
    normals, faults, domain = (
        rng.normal(size=(6, 2)),
        rng.normal(size=(4, 2)),
        np.array(["source"] * 4 + ["target"] * 2),
    )
    times = np.array([3, 1, 2, 1, 1, 2])
    weighted = gains(faults, normals, domain, times[None].astype(float))[0]
    assert weighted == pytest.approx(gains(faults, np.repeat(normals, times, axis=0), np.repeat(domain, times)))


def test_clips_of_a_group_are_drawn_together_and_groups_are_not():
    weights = drawn_normals(np.array([4, 4, 7, 7, 7]), draws=50, seed=0)
    assert (weights[:, [0, 2, 2]] == weights[:, [1, 3, 4]]).all()
    assert (weights[:, 0] != weights[:, 2]).all()


@pytest.fixture
def cell():
    """Two models, the second on a scale of its own: it adds 100 to normals and faults alike."""
    rng = np.random.default_rng(2)
    normals, faults = rng.normal(size=(12, 3)), rng.normal(0.5, 1.0, (5, 3))
    fold = np.stack([np.arange(12) % 2, np.arange(12) // 6, np.zeros(12, int)], axis=1)
    domain = np.array(["source"] * 9 + ["target"] * 3)
    models = np.stack([faults, faults + 100.0])
    scored = CellScores(normals + 100.0 * fold, domain, np.arange(12), models, fold, np.arange(5))
    return scored, normals, faults, domain


def test_models_that_differ_in_their_scale_leave_the_gain_of_a_branch_as_it_is(cell):
    scored, normals, faults, domain = cell
    assert scored.of_branches() == pytest.approx(gains(faults, normals, domain))


def test_a_sum_of_branches_with_different_folds_meets_each_normal_under_its_own_models(cell):
    scored, normals, faults, domain = cell
    weights = np.array([[1.0, 0.2], [0.0, 0.5], [0.0, 1.0]])
    assert scored.of_sums(weights) == pytest.approx(gains(faults @ weights, normals @ weights, domain))


def test_drawn_gains_scatter_about_the_gain(cell):
    scored = cell[0]
    drawn = scored.of_branches(draws=2000, seed=3)
    assert drawn.mean(axis=0) == pytest.approx(scored.of_branches(), abs=0.06)
    assert drawn.std(axis=0).max() > 0.03
    sums = scored.of_sums(np.eye(3), draws=2000, seed=3)
    assert sums == pytest.approx(drawn)
