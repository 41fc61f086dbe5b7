"""The range of dependence along the order, read from train normals: found where it is, and not where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from asdcore.data.features.distances import distances
from asdcore.held_out.dependence import Reach, _cosines, _twice_ranked, reaches


def runs(rng, clips, length, dim=32, shared=1.0, *, equal=True):
    """Clips (clips, dim) cut from recordings, each with a condition of its own; lengths vary where not equal."""
    lengths = [length] * clips if equal else np.maximum(1, rng.gamma(4, length / 4, clips)).round().astype(int).tolist()
    conditions = np.repeat(rng.normal(size=(clips, dim)), lengths, axis=0)[:clips]
    return (10 + shared * conditions + rng.normal(size=(clips, dim))).astype(np.float32)


def drifting(rng, clips, reach, dim=32):
    """Clips whose condition is a moving mean of ``reach`` draws: what two share falls to nothing at that lag."""
    total = np.cumsum(np.vstack([np.zeros((1, dim)), rng.normal(size=(clips + reach, dim))]), axis=0)
    condition = (total[reach:] - total[:-reach])[:clips] / np.sqrt(reach)
    return (10 + condition + rng.normal(size=(clips, dim))).astype(np.float32)


def reach(features, order=None):
    places = np.arange(len(features)) if order is None else order
    return reaches(features, np.array(["source"] * len(features)), places)["source"]


SIMULATED = {
    "short runs, few clips": lambda rng: (runs(rng, 120, 5), 5),
    "runs": lambda rng: (runs(rng, 200, 15), 15),
    "runs of all lengths": lambda rng: (runs(rng, 300, 20, equal=False), 20),
    "runs that differ little": lambda rng: (runs(rng, 300, 12, shared=0.4), 12),
    "few features": lambda rng: (runs(rng, 300, 20, dim=8), 20),
    "a drifting condition": lambda rng: (drifting(rng, 300, 20), 20),
    "every fifth clip of long runs": lambda rng: (runs(rng, 1000, 30)[::5], 6),
}


@pytest.mark.parametrize("kind", SIMULATED)
def test_a_simulated_range_is_found_within_a_factor_of_two_in_nine_of_ten(kind):
    found = []
    for seed in range(10):
        features, length = SIMULATED[kind](np.random.default_rng(seed))
        found.append((reach(features).range + 1) / length)
    assert sum(0.5 <= one <= 2 for one in found) >= 9, found


@pytest.mark.parametrize("clips", [20, 60, 200])
def test_where_order_means_nothing_hardly_any_is_found(clips):
    rng = np.random.default_rng(clips)
    found = [reach(rng.permutation(runs(rng, clips, 5, dim=8))).range for _ in range(60)]
    assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8])
def test_states_that_take_turns_are_no_recordings(period):
    rng = np.random.default_rng(period)
    states = rng.normal(size=(period, 16))
    features = np.array([10 + states[i % period] + rng.normal(0, 0.4, 16) for i in range(150)], dtype=np.float32)
    assert reach(features).range == 0


def test_pairs_of_which_one_repeats_the_other_have_a_range_of_one():
    rng = np.random.default_rng(0)
    assert reach(runs(rng, 200, 2, shared=3.0)).range in (1, 2)


@settings(max_examples=15)
@given(st.integers(0, 99), st.permutations(range(40)))
def test_rows_may_stand_in_any_order_so_long_as_their_places_do(seed, rows):
    features = runs(np.random.default_rng(seed), 40, 4)
    rows = np.array(rows)
    assert reach(features[rows], rows) == reach(features)


def test_scale_does_not_count_nor_do_the_last_digits():
    features = runs(np.random.default_rng(1), 120, 6)
    shaken = features * np.float32(1 + 3e-8)
    assert reach(features * np.float32(4.0)) == reach(features)
    assert reach(shaken).range == reach(features).range


def test_distances_rank_as_those_that_scorers_see():
    features = runs(np.random.default_rng(2), 90, 6)
    features[7], features[3] = 0, features[4]  # a silent clip is as far from all others, a repeated one at 0
    exact, fast = distances(features, features, "cosine"), _cosines(features.astype(float))
    assert np.allclose(fast / 2, exact, atol=1e-12)
    assert fast[3, 4] < 1e-12


def test_frames_count_by_their_mean_over_time():
    rng = np.random.default_rng(3)
    means = runs(rng, 80, 8)
    noise = rng.normal(size=(80, 2, 1, 32)).astype(np.float32)
    frames = means[:, None, None] + np.concatenate([noise, -noise], axis=1)
    assert reach(frames).range == pytest.approx(reach(means).range, abs=1)


@pytest.mark.parametrize("clips", [1, 2, 5, 19])
def test_too_few_clips_say_nothing(clips):
    assert reach(runs(np.random.default_rng(0), clips, 5)) == Reach(clips)


def test_clips_that_are_all_the_same_have_no_range():
    assert reach(np.ones((50, 4), np.float32)) == Reach(50)


def two_domains(rng, source, target):
    features = np.concatenate([source, target])
    domain = np.array(["source"] * len(source) + ["target"] * len(target))
    return reaches(features, domain, np.r_[np.arange(len(source)), np.arange(len(target))])


def test_ten_target_clips_take_over_the_range_where_they_lie_in_order_too():
    rng = np.random.default_rng(4)
    found = two_domains(rng, runs(rng, 200, 10), drifting(rng, 10, 5))
    assert found["target"].range == found["source"].range > 0


def test_ten_target_clips_without_order_do_not():
    rng = np.random.default_rng(5)
    found = [two_domains(rng, runs(rng, 100, 10), runs(rng, 10, 1))["target"].range for _ in range(20)]
    assert sum(map(bool, found)) <= 3  # at a level of 1 in 20


def test_nor_where_the_other_domain_has_no_order():
    rng = np.random.default_rng(6)
    found = two_domains(rng, runs(rng, 100, 1), drifting(rng, 10, 5))
    assert found["target"] == Reach(10)


def test_of_very_many_clips_some_are_looked_at():
    rng = np.random.default_rng(7)
    found = reach(runs(rng, 3000, 30, dim=8))
    assert found.clips == 3000
    assert 15 <= found.range <= 60


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_ranks_are_those_of_scipy(values):
    assert (_twice_ranked(np.array(values)) == 2 * rankdata(values)).all()
