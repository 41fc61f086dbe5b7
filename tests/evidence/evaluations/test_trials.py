"""Trials are evaluated together: means over seeds, intervals over clips, spread over trials, and one look in all."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest

import asdcore
from asdcore.cli.output.results import show_evaluation
from asdcore.evidence.evaluations.trials import at_seeds, evaluate_trials, joined_trials, members_of
from asdcore.evidence.labels.truth import truth_of
from asdcore.evidence.ledger import count_looks, read_ledger
from asdcore.evidence.look import results_in
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.store.cache import Store


@pytest.fixture(scope="module")
def evaluated(trials):
    return evaluate_trials(trials, truth_of(trials.first), 2026, 200)


def test_every_trial_has_the_results_of_its_run(trials, evaluated):
    for seed, run in trials.runs.items():
        assert evaluated.trials[seed] == asdcore.evaluate(run, replicates=200)


def test_a_mean_is_over_the_trials_and_so_is_the_standard_deviation(evaluated):
    for name, system in evaluated.systems.items():
        alone = [trial.systems[name] for trial in evaluated.trials.values()]
        scores = [result.official_score for result in alone]
        assert system.official_score == statistics.fmean(scores)
        assert evaluated.sd(name) == statistics.stdev(scores)
        for place, cell in enumerate(system.cells):
            assert cell["machine"] == alone[0].cells[place]["machine"]
            assert cell["pauc"] == statistics.fmean(result.cells[place]["pauc"] for result in alone)
    assert evaluated.sd("mixed") > 0
    assert evaluated.sd("near") == 0


def test_a_mean_over_equal_trials_has_the_interval_of_each(evaluated):
    """knn is the same for every seed: averaging must change nothing, whichever clips are drawn."""
    together, alone = (each.uncertainty for each in (evaluated, evaluated.trials[7]))
    ends = [
        [each.official["near"]["bca"].low, each.machines["near"].high, each.cells["near"][1]["pauc"].high]
        for each in (together, alone)
    ]
    assert np.allclose(*ends, rtol=0, atol=1e-12)


def test_clips_are_drawn_alike_for_all_trials(trials):
    tables = joined_trials(trials, truth_of(trials.first))
    drawn = Resampled.of(at_seeds(tables), 2026, 100, seed=0)
    members = members_of(drawn.systems)
    assert [drawn.systems[place] for place in members["mixed"]] == ["mixed 4", "mixed 7", "mixed 12"]
    means = drawn.averaged(members)
    assert np.array_equal(means.official_replicates[0], drawn.official_replicates[members["mixed"]].mean(axis=0))
    assert means.official_point[1] == pytest.approx(drawn.official_point[members["near"][0]])


def test_n_trials_are_one_look_at_each(trials):
    log = Store(trials.folder.parent / "store").looks
    before = len(read_ledger(log).looks)
    result = asdcore.evaluate(trials.folder, hypothesis="seeds matter", replicates=0)
    look = read_ledger(log).looks[-1]
    assert len(read_ledger(log).looks) == before + 1
    assert (look.entry["what"], look.entry["hypothesis"]) == ("3 trials of p", "seeds matter")
    assert results_in(look)["mixed"]["sd"] == result.sd("mixed")
    assert results_in(look)["mixed"]["trials"]["12"] == result.trials[12].systems["mixed"].official_score
    counted = [count_looks(log, run.about["tables"]["systems"])["at_this_result"] for run in trials.runs.values()]
    assert min(counted) >= 1


def test_the_evaluation_of_trials_is_written_beside_them(trials):
    result = asdcore.evaluate(trials, replicates=100)
    written = json.loads((trials.folder / "evaluation.json").read_text())
    assert written["systems"] == json.loads(json.dumps(result.as_json()["systems"]))
    assert written["seeds"] == [4, 7, 12]
    mixed = written["systems"]["mixed"]
    assert mixed["ci95"][0] < mixed["official_score"] < mixed["ci95"][1]
    assert [trial["seed"] for trial in mixed["trials"]] == [4, 7, 12]
    assert mixed["cells"][0]["auc_source_sd"] is not None
    assert asdcore.load_trials(trials.folder).seeds == (4, 7, 12)  # it may lie there


def test_results_are_a_table_with_a_row_for_each_trial(evaluated):
    rows = evaluated.to_polars()
    assert rows["trial"].unique().sort().to_list() == ["mean", "seed 12", "seed 4", "seed 7"]
    mean = rows.filter(trial="mean", system="mixed")
    assert mean["official_score_sd"][0] == evaluated.sd("mixed")
    assert len(rows) == 4 * 2 * 2


def test_a_single_trial_has_no_spread(trials, capsys):
    alone = evaluate_trials(asdcore.Trials(trials.folder, {4: trials.runs[4]}), truth_of(trials.first), 2026)
    assert alone.sd("mixed") is None
    assert alone.as_json()["systems"]["mixed"]["cells"][0]["pauc_sd"] is None
    show_evaluation(alone)
    assert "SD" not in capsys.readouterr().out


def test_the_terminal_names_the_two_measures_apart(evaluated, capsys):
    show_evaluation(evaluated)
    shown = capsys.readouterr().out
    assert "in percent, means over 3 trials." in shown
    assert "[low, high]: 95 % interval over other clips" in shown
    assert "SD: how far trials lie apart on these clips" in shown
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("seed")] == [
        ["seed", "4"],
        ["seed", "7"],
        ["seed", "12"],
    ]
