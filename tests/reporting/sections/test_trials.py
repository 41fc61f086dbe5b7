"""A report of trials shows means, the spread over trials and every trial, and says which one its charts are of."""

from __future__ import annotations

import html

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import read_ledger
from asdcore.reporting import page
from asdcore.reporting.reported_runs import open_subjects
from asdcore.reporting.sections.summary import headline
from asdcore.reporting.sections.trials import trials_table
from asdcore.reporting.statistics import compute_statistics
from asdcore.store.cache import Store


def test_the_page_shows_every_trial_beside_its_mean(trials, monkeypatch):
    monkeypatch.setattr(page, "libraries", lambda: "")
    path = asdcore.report(trials.folder)
    assert path == trials.folder / "report.html"
    text = html.unescape(path.read_text())
    assert "Official score of every trial" in text
    assert all(f'<th class="n">seed {seed}</th>' in text for seed in trials.seeds)
    assert "show the first one, seed-4" in text
    assert "t test over trials and clips" in text
    assert asdcore.load_trials(trials.folder).seeds == trials.seeds  # the report may lie there


def test_its_figures_are_those_of_the_evaluation(trials):
    evaluation = asdcore.evaluate(trials)
    log = Store(trials.folder.parent / "store").looks
    before = len(read_ledger(log).looks)
    (subject,) = open_subjects([trials], None, None, lambda steps: None)
    assert len(read_ledger(log).looks) == before + 1
    statistics = compute_statistics([subject])
    table = trials_table([subject])
    mixed = next(row for row in table["rows"] if row["system"] == "mixed")
    assert table["seeds"] == [4, 7, 12]
    assert statistics.official["mixed"].estimate == pytest.approx(evaluation.systems["mixed"].official_score)
    assert float(mixed["mean"]) == pytest.approx(100 * evaluation.systems["mixed"].official_score, abs=0.006)
    assert float(mixed["sd"]) == pytest.approx(100 * evaluation.sd("mixed"), abs=0.006)
    assert [float(score) for score in mixed["scores"]] == pytest.approx(
        [100 * score for score in evaluation.scores("mixed").values()], abs=0.006
    )
    (difference,) = statistics.differences
    assert "in the mean of 3 trials" in difference.sentence
    cells = {("3DPrinter", "00"): "3DPrinter", ("fan", "00"): "fan"}
    assert "That is the mean of 3 trials, whose standard deviation is" in headline(statistics, [subject], cells)[1]


def test_runs_and_trials_are_not_reported_together(trials):
    with pytest.raises(EvaluationError, match="Compare trials with trials of the same seeds"):
        open_subjects([trials, trials.runs[4]], None, None, lambda steps: None)
