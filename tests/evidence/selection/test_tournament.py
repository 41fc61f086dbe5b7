"""asdcore.evidence.selection.tournament: the luck of the best of N is measured, and a lone candidate has none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import evaluate_table
from asdcore.evidence.selection.candidates import Candidates, open_candidates, places_of
from asdcore.evidence.selection.tournament import tournament

MACHINES = ("fan", "valve")


def equal_candidates(count, n, seed, above=1.0):
    """Return candidates that are equally good: independent noise, anomalies ``above`` it."""
    rng = np.random.default_rng(seed)
    clips = [
        (f"{machine}/{domain}{label}{i}", machine, "00", label, domain)
        for machine in MACHINES
        for domain in ("source", "target")
        for label in (0, 1)
        for i in range(n)
    ]
    frame = pl.DataFrame(clips, schema=["clip", "machine", "section", "label", "domain"], orient="row")
    noise = rng.standard_normal((count, len(frame)))
    parts = [
        frame.with_columns(system=pl.lit(f"s{i}"), score=pl.Series(noise[i] + above * frame["label"].to_numpy()))
        for i in range(count)
    ]
    table = pl.concat(parts)
    places = {f"s{i}": (None, f"s{i}") for i in range(count)}
    return Candidates(places, frame, table, evaluate_table(table, 2026))


@pytest.fixture(scope="module")
def equal():
    """Forty test sets with six equal candidates: how far the best stands out of all, and what is estimated."""
    found = []
    for seed in range(40):
        candidates = equal_candidates(6, 15, seed)
        scores = [candidates.score(name) for name in candidates.names]
        found.append((max(scores) - np.mean(scores), tournament(candidates, replicates=200).facts))
    return found


def test_the_optimism_of_equal_candidates_is_how_far_the_best_stands_out(equal):
    """What is estimated must agree with what was simulated."""
    gap = np.array([facts["optimism"] - luck for luck, facts in equal])
    assert np.mean([luck for luck, _ in equal]) > 0.02
    assert abs(gap.mean()) < 3 * gap.std(ddof=1) / np.sqrt(len(gap))


def test_the_reality_check_seldom_finds_a_better_one_among_equals(equal):
    ps = np.array([facts["p"] for _, facts in equal])
    assert (ps <= 0.1).sum() <= binom.ppf(0.999, len(ps), 0.1)
    assert (ps <= 0.5).sum() >= binom.ppf(0.001, len(ps), 0.25)  # it may be shy, but not mute


def test_who_is_far_ahead_wins_always_and_owes_nothing_to_luck(make_run):
    effects = {"far": dict.fromkeys(MACHINES, 3.0), "poor": dict.fromkeys(MACHINES, 0.1)}
    found = open_candidates(places_of([make_run("a", effects)]))
    facts = tournament(found, replicates=300)
    assert [row["wins"] for row in facts.rows] == [1.0, 0.0]
    assert abs(facts.facts["optimism"]) < 0.02
    assert facts.facts["p"] == 1  # the first is the baseline, and nothing is better
    assert tournament(found, "poor", replicates=300).facts["p"] == 1 / 301


def test_a_lone_candidate_has_no_optimism():
    facts = tournament(equal_candidates(1, 10, 0), replicates=200).facts
    assert facts["optimism"] == pytest.approx(0, abs=1e-12)
    assert facts["honest"] == pytest.approx(facts["direct"])


def test_the_same_seed_gives_the_same_and_another_does_not():
    candidates = equal_candidates(3, 10, 0)
    first, again, other = (tournament(candidates, replicates=200, seed=seed).facts["optimism"] for seed in (1, 1, 2))
    assert first == again != other


def test_too_few_clips_are_refused():
    with pytest.raises(EvaluationError, match=r"a cell has no clip that was not drawn.*--protocol lomo"):
        tournament(equal_candidates(2, 1, 0))
