"""asdcore.evidence.ledger: every look is kept and counted, a verdict may come later, the rejected ones make a table."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import count_looks, read_ledger, record_look, record_plan, record_verdict
from asdcore.evidence.look import Look


@pytest.fixture
def log(tmp_path):
    return tmp_path / "new" / "looks.jsonl"


def result(**scores):
    return {
        name: {"official_score": score, "ci95": [score - 0.1, score + 0.1], "mean_auc": 0.7, "mean_pauc": 0.5}
        for name, score in scores.items()
    }


def test_looks_at_one_truth_are_counted(log):
    assert [record_look(log, Look("run of a", "truth-1", f"scores-{i}")) for i in range(3)] == [1, 2, 3]
    assert record_look(log, Look("run of a", "truth-2", "scores-0")) == 1
    assert record_look(log, Look("report", "truth-1", "scores-0")) == 4
    record_plan(log, "0" * 64, {})
    ledger = read_ledger(log)
    assert [look.entry["evaluated"] for look in ledger.looks] == [*(f"scores-{i}" for i in (0, 1, 2, 0, 0))]
    assert ledger.counts() == {"truth-1": 4, "truth-2": 1}
    assert ledger.looks[4].entry["what"] == "report"
    assert count_looks(log, "scores-0") == {"at_this_result": 3, "at_these_labels": 5, "in_this_store": 5}
    assert count_looks(log, "scores-9") == {"at_this_result": 0, "at_these_labels": 0, "in_this_store": 5}


def test_looks_at_once_are_each_counted(log):
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda i: record_look(log, Look("x" * 500, "truth", str(i))), range(40)))
    assert sorted(counts) == list(range(1, 41))
    assert sorted(int(look.entry["evaluated"]) for look in read_ledger(log).looks) == list(range(40))


def test_a_line_cut_short_counts_as_a_look(log):
    record_look(log, Look("run", "truth", "a"))
    log.write_bytes(log.read_bytes() + b'{"time": "2026-0')
    assert record_look(log, Look("run", "truth", "b")) == 3
    assert record_look(log, Look("run", "other truth", "b")) == 2
    assert record_look(log, Look("run", "truth", "c")) == 4
    assert read_ledger(log).chain.problems == []


def test_looks_of_an_earlier_version_are_counted_on(log):
    log.parent.mkdir()
    old = {"time": "2026-01-01T00:00:00+00:00", "truth": "truth", "evaluated": "a", "what": "run of demo"}
    log.write_text(json.dumps(old) + "\n")
    assert record_look(log, Look("run of demo", "truth", "a")) == 2
    assert count_looks(log, "a") == {"at_this_result": 2, "at_these_labels": 2, "in_this_store": 2}
    assert read_ledger(log).verdict_on(read_ledger(log).looks[0]) is None


def test_a_verdict_comes_with_the_look_or_later(log):
    record_look(log, Look("run of a", "t", "1", verdict="kept"))
    record_look(log, Look("run of b", "t", "2", hypothesis="  guards help\n on target "))
    looks = read_ledger(log).looks
    assert [read_ledger(log).verdict_on(look) for look in looks] == ["kept", None]
    assert looks[1].entry["hypothesis"] == "guards help on target"
    record_verdict(log, "2", "rejected", because="pAUC fell")
    record_verdict(log, looks[0].entry["hash"][:8], "rejected")
    assert [read_ledger(log).verdict_on(look) for look in looks] == ["rejected", "rejected"]
    record_verdict(log, "1", "kept")
    assert [read_ledger(log).verdict_on(look) for look in looks] == ["kept", "rejected"]
    assert read_ledger(log).judgement_on(looks[1]) == ("rejected", "pAUC fell")
    assert len(read_ledger(log).looks) == 2  # a verdict is no look
    assert read_ledger(log).chain.problems == []


@pytest.mark.parametrize("name", ["7", "3", "abc", "", "ffffffff"])
def test_a_verdict_on_nothing_is_refused(log, name):
    record_look(log, Look("run of a", "t", "1"))
    record_look(log, Look("run of b", "t", "2"))
    record_verdict(log, "1", "kept")  # line 3, which is no look
    before = log.read_bytes()
    with pytest.raises(EvaluationError, match=rf"named '{name}': give a line number.*1 \([0-9a-f]{{6}}, run of a\), 2"):
        record_verdict(log, name, "kept")
    assert log.read_bytes() == before


def test_an_unknown_verdict_is_refused(log):
    with pytest.raises(EvaluationError, match="no verdict 'reject'. Did you mean 'rejected'"):
        record_look(log, Look("run of a", "t", "1", verdict="reject"))
    assert not log.exists()


def test_an_evaluation_is_in_the_ledger_with_its_digests_and_result(dataset, simple, tmp_path):
    run = asdcore.run(simple, dataset, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    found = asdcore.evaluate(run, hypothesis="near is enough", verdict="rejected")
    (look,) = read_ledger(tmp_path / "store" / "looks.jsonl").looks
    assert look.entry["evaluated"] == run.about["tables"]["systems"]
    assert look.entry["digests"] == {"portfolio": run.about["portfolio_digest"], "run": run.about["sealed"]}
    assert (look.entry["what"], look.entry["year"], look.entry["verdict"]) == ("run of simple", 2026, "rejected")
    assert look.entry["hypothesis"] == "near is enough"
    assert look.entry["results"]["knn"]["official_score"] == found.systems["knn"].official_score
    cells = found.systems["knn"].cells
    assert look.entry["results"]["knn"]["mean_pauc"] == pytest.approx(sum(cell["pauc"] for cell in cells) / len(cells))


def test_a_name_that_is_no_text_is_written_as_far_as_it_is(log):
    record_look(log, Look("score files \udcff", "t", "1", hypothesis="\udcff"))
    (look,) = read_ledger(log).looks
    assert (look.entry["what"], look.entry["hypothesis"]) == ("score files ?", "?")


def test_a_verdict_on_nothing_leaves_nothing(log):
    with pytest.raises(EvaluationError, match="No evaluations in .* are named '1'"):
        record_verdict(log, "1", "kept")
    assert not log.parent.exists()
