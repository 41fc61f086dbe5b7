"""The drift test keeps its guarantee where nothing changes, and notices where something does."""

from __future__ import annotations

import numpy as np

from asdcore.monitor.change import SETTLE, Change
from asdcore.monitor.drift import ExchangeabilityTest

RUNS, STEPS, LIMIT = 200, 300, 10


def peaks(draw):
    for run in range(RUNS):
        rng = np.random.default_rng(run)
        test = ExchangeabilityTest(f"run {run}", rng.normal(size=50))
        yield max(test.hear(value) for value in draw(rng))


def test_unchanged_values_reach_ten_in_at_most_a_tenth_of_runs_whatever_their_distribution():
    for draw in (lambda rng: rng.normal(size=STEPS), lambda rng: rng.normal(size=STEPS).round()):
        reached = np.mean([peak >= LIMIT for peak in peaks(draw)])
        # Ville: at most 0.1; three standard errors of 200 runs more.
        assert reached <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / RUNS)


def test_a_shift_of_one_standard_deviation_is_certain_soon():
    assert np.mean([peak >= 1000 for peak in peaks(lambda rng: rng.normal(1.0, size=STEPS))]) > 0.95


def test_the_same_values_give_the_same_evidence():
    first, second = (ExchangeabilityTest("a", [1.0, 1.0, 2.0]) for _ in range(2))
    assert [first.hear(value) for value in (1.0, 3.0, 1.0)] == [second.hear(value) for value in (1.0, 3.0, 1.0)]


def told(change, values, start=1):
    return [
        (number, drift["of"])
        for number, (score, level, spectrum) in enumerate(values, start)
        for drift in change.hear(number, score, level, spectrum)
    ]


def windows(n, seed, score=0.0, level=-30.0, band=0.0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield (
            rng.normal(score),
            level + rng.normal(0, 0.3),
            [-6.0 + band + rng.normal(0, 0.3), -3.0 + rng.normal(0, 0.3)],
        )


def test_a_moved_microphone_shows_in_level_and_spectrum_and_a_changed_machine_in_scores():
    normals = np.random.default_rng(9).normal(size=200)
    quiet = [*windows(150, 1)]
    assert told(Change(normals), quiet) == []
    louder = {what for _, what in told(Change(normals), [*quiet, *windows(150, 2, level=-24.0)])}
    assert louder == {"level"}
    duller = {what for _, what in told(Change(normals), [*quiet, *windows(150, 3, band=4.0)])}
    assert duller == {"spectrum"}
    worn = {what for _, what in told(Change(normals), [*quiet, *windows(150, 4, score=1.5)])}
    assert worn == {"scores"}


def test_windows_that_overlap_are_not_asked_twice():
    normals = np.random.default_rng(9).normal(size=200)
    moved = [*windows(4 * SETTLE, 5, score=3.0)]
    first = told(Change(normals), moved)[0][0]
    assert told(Change(normals, every=2), moved)[0][0] > first


def test_long_after_it_began_a_shift_is_as_certain_almost_as_soon():
    rng = np.random.default_rng(0)
    test = ExchangeabilityTest("old", rng.normal(size=100))
    for value in rng.normal(size=20_000):
        test.hear(value)
    assert test.capital > 0.01  # without a reserve it would be 1e-35
    needed = next(count for count, value in enumerate(rng.normal(1.0, size=500), 1) if test.hear(value) >= 100)
    assert needed < 150
