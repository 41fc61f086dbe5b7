"""Differences over trials and clips: as published, of the stated coverage, and honest about few trials."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import asdcore
from asdcore.cli.output.results import show_comparison
from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.trials import at_seeds, joined_trials, members_of
from asdcore.evidence.labels.truth import truth_of
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.trial_pairs import _difference, pairs_of_trials
from asdcore.store.cache import Store


@pytest.fixture(scope="module")
def drawn(trials):
    return Resampled.of(at_seeds(joined_trials(trials, truth_of(trials.first))), 2026, 200, seed=0)


def published(scores, replicates):
    """Return the standard error and the degrees of freedom of Obuchowski and Rockette (1995) and Hillis (2007).

    scores : (2, r) of two tests by r readers. replicates : (2, r, n) the same for other cases.
    """
    (tests, r), covariance = scores.shape, np.cov(replicates.reshape(2 * scores.shape[1], -1))
    by_test, by_reader = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    interaction = ((scores - by_test - by_reader + scores.mean()) ** 2).sum() / ((tests - 1) * (r - 1))
    pairs = [(i, j, k, m) for i in range(2) for j in range(2) for k in range(r) for m in range(r) if k != m]
    same = np.mean([covariance[i * r + k, j * r + m] for i, j, k, m in pairs if i == j])
    other = np.mean([covariance[i * r + k, j * r + m] for i, j, k, m in pairs if i != j])
    clips = max(r * (same - other), 0)
    error = math.sqrt(2 / r * (interaction + clips))
    return error, (interaction + clips) ** 2 / (interaction**2 / ((tests - 1) * (r - 1)))


def test_error_and_degrees_of_freedom_are_as_published():
    rng = np.random.default_rng(0)
    for r in (2, 4, 7):
        scores = rng.normal(0.7, 0.02, (2, r))
        replicates = scores[..., None] + rng.normal(0, 0.03, (2, 1, 300)) + rng.normal(0, 0.01, (2, r, 300))
        apart = dict(enumerate((scores[0] - scores[1]).tolist()))
        difference = _difference(("A", "B"), apart, replicates[0] - replicates[1])
        error, degrees = published(scores, replicates)
        assert difference.standard_error == pytest.approx(error, rel=1e-9)
        assert difference.degrees == pytest.approx(degrees, rel=1e-9)
        assert difference.degrees >= r - 1


@pytest.mark.parametrize("of_clips", [0.0, 0.01, 0.03])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(of_clips):
    """Studies of 4 trials whose seeds and clips are drawn anew, from systems that do not differ."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        apart = rng.normal(0, of_clips) + rng.normal(0, 0.01, 4)
        replicates = apart[:, None] + rng.normal(0, of_clips, 200) + rng.normal(0, 1e-4, (4, 200))
        interval = _difference(("A", "B"), dict(enumerate(apart.tolist())), replicates).interval
        covered += interval.low <= 0 <= interval.high
    assert 930 <= covered <= 990


def test_two_trials_say_little():
    """Student's t of one degree of freedom: two trials that lie apart by a point leave 6 points open on either side."""
    difference = _difference(("A", "B"), {0: 0.01, 1: 0.02}, np.zeros((2, 100)))
    assert difference.degrees == pytest.approx(1)
    assert difference.interval.high == pytest.approx(0.015 + 12.706 * 0.005, abs=1e-4)
    assert difference.p > 0.2


def test_systems_that_no_seed_changes_have_an_interval_over_clips(drawn):
    """knn against itself under another name has no difference, and against the mixture its own clips count."""
    members = {"near": members_of(drawn.systems)["near"], "again": members_of(drawn.systems)["near"]}
    (same,) = pairs_of_trials(drawn, members, [4, 7, 12])
    assert (same.estimate, same.sd, same.p) == (0, 0, 1)
    assert (
        same.sentence
        == "near and again have the same official score, whichever trial is taken and whichever clips are drawn."
    )
    rng = np.random.default_rng(0)
    replicates = np.repeat(0.1 + rng.normal(0, 0.02, (1, 400)), 3, axis=0)
    alike = _difference(("A", "B"), dict.fromkeys((0, 1, 2), 0.1), replicates)
    assert math.isinf(alike.degrees)
    assert alike.interval.high == pytest.approx(0.1 + 1.96 * replicates[0].std(ddof=1), abs=1e-4)


def test_the_mean_difference_is_that_of_the_means(trials, drawn):
    (difference,) = pairs_of_trials(drawn, members_of(drawn.systems), [4, 7, 12])
    alone = [asdcore.evaluate(trials.runs[seed], replicates=0).systems for seed in (4, 7, 12)]
    by_hand = [systems["mixed"].official_score - systems["near"].official_score for systems in alone]
    assert list(difference.by_seed.values()) == pytest.approx(by_hand, abs=1e-12)
    assert difference.estimate == pytest.approx(np.mean(by_hand), abs=1e-12)


def test_a_sentence_counts_the_trials_and_lists_them_in_its_own_direction():
    difference = _difference(("A", "B"), {0: -0.03, 1: 0.01, 2: -0.04}, np.zeros((3, 100)))
    assert difference.sentence.startswith(
        "B is 2.00 points above A in the mean of 3 trials, and above it in 2 of them (+3.00, -1.00, +4.00), which"
    )
    assert "these trials and clips could have shown" in difference.sentence


def test_comparing_trials_is_one_look_and_shows_both_measures(trials, capsys):
    log = Store(trials.folder.parent / "store").looks
    before = len(read_ledger(log).looks) if log.exists() else 0
    compared = asdcore.compare(trials.folder, replicates=200, hypothesis="mixtures win")
    looks = read_ledger(log).looks
    assert len(looks) == before + 1
    assert looks[-1].entry["what"] == "3 trials in a comparison, of p"
    written = json.loads(json.dumps(compared.as_json()))
    assert written["seeds"] == [4, 7, 12]
    assert written["systems"]["near"]["sd"] == 0
    assert [trial["seed"] for trial in written["differences"][0]["trials"]] == [4, 7, 12]
    show_comparison(compared)
    shown = capsys.readouterr().out
    assert "paired by their seed" in shown
    assert "in the mean of 3 trials" in " ".join(shown.split())
    assert compared.to_polars()["sd"][0] == written["differences"][0]["sd"]


def test_what_does_not_match_is_refused(trials, tmp_path):
    one = trials.runs[4].folder
    with pytest.raises(
        EvaluationError, match=r"trials holds trials and .*seed-4 is one run. Compare trials with trials"
    ):
        asdcore.compare(trials, one)
    with pytest.raises(EvaluationError, match="given twice"):
        asdcore.compare(trials, trials.folder)
    fewer = asdcore.Trials(tmp_path, {4: trials.runs[4], 7: trials.runs[7]})
    with pytest.raises(EvaluationError, match=r"has the seeds 4, 7, 12, and .* 4, 7. Run both with the same"):
        asdcore.compare(trials, fewer)
    with pytest.raises(EvaluationError, match="a single trial, which says nothing about other seeds"):
        asdcore.compare(asdcore.Trials(tmp_path, {4: trials.runs[4]}), replicates=100)
    with pytest.raises(EvaluationError, match="only the system near: a comparison needs two"):
        asdcore.compare(trials, systems=["near"])
    with pytest.raises(EvaluationError, match="No system of these trials is named 'far'"):
        asdcore.compare(trials, systems=["far", "near"])
    with pytest.raises(EvaluationError, match="Leave --permutations out"):
        asdcore.compare(trials, permutations=100)
    with pytest.raises(EvaluationError, match="holds trials. Name one of them"):
        asdcore.select(trials, protocol="lomo")
