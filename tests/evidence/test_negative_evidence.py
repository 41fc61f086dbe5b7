"""asdcore.evidence.negative_evidence: the rejected make a table, each beside what was kept on the same labels."""

from __future__ import annotations

import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import read_ledger, record_look, record_verdict
from asdcore.evidence.look import Look
from asdcore.evidence.negative_evidence import negative_evidence
from asdcore.store.digests.hash_chain import append


@pytest.fixture
def log(tmp_path):
    return tmp_path / "looks.jsonl"


def result(**scores):
    return {
        name: {"official_score": score, "ci95": [score - 0.1, score + 0.1], "mean_auc": 0.7, "mean_pauc": 0.5}
        for name, score in scores.items()
    }


def test_the_rejected_are_set_against_the_kept_of_the_same_truth_and_year(log):
    record_look(log, Look("run of old", "t", "1", 2026, result(A=0.9), verdict="kept"))
    record_look(log, Look("run of base", "t", "2", 2026, result(A=0.61, B=0.6), verdict="kept"))
    record_look(
        log, Look("run of temporal", "t", "3", 2026, result(T=0.58), hypothesis="more target", verdict="rejected")
    )
    record_look(log, Look("run of elsewhere", "u", "4", 2026, result(T=0.5), verdict="rejected"))
    record_look(log, Look("run of temporal", "t", "3", 2021, result(T=0.5), verdict="rejected"))
    record_look(log, Look("run of open", "t", "5", 2026, result(T=0.5)))
    first, *others = negative_evidence(read_ledger(log))
    assert first == {
        "line": 3, "what": "run of temporal", "system": "T", "hypothesis": "more target", "official_score": 0.58,
        "ci95": [0.48, 0.6799999999999999], "mean_auc": 0.7, "mean_pauc": 0.5, "kept": "run of base: A",
        "difference": pytest.approx(-0.03), "verdict": "rejected", "because": None,
    }  # fmt: skip
    assert [(row["what"], row["kept"], row["difference"]) for row in others] == [
        ("run of elsewhere", None, None),
        ("run of temporal", None, None),
    ]


def test_one_system_of_an_evaluation_may_be_judged_alone(log):
    record_look(log, Look("run of a", "t", "1", 2026, result(A=0.6, B=0.55, C=0.65)))
    record_verdict(log, "1", "kept")
    record_verdict(log, "1", "rejected", "no better on pAUC", system="B")
    record_verdict(log, "1", "rejected", "best by luck", system="C")
    ledger = read_ledger(log)
    assert [ledger.verdict_on(ledger.looks[0], one) for one in (None, "A", "B")] == ["kept", "kept", "rejected"]
    assert [
        (row["system"], row["kept"], round(row["difference"], 3), row["because"]) for row in negative_evidence(ledger)
    ] == [
        ("B", "run of a: A", -0.05, "no better on pAUC"),
        ("C", "run of a: A", 0.05, "best by luck"),
    ]
    record_verdict(log, "1", "kept")
    assert negative_evidence(read_ledger(log)) == []
    with pytest.raises(EvaluationError, match="Line 1 evaluated no system 'D'. Known: A, B, C"):
        record_verdict(log, "1", "kept", system="D")


def test_what_an_edited_line_says_is_not_believed_but_counts(log):
    record_look(log, Look("run of a", "t", "1", 2026, result(A=0.6), verdict="rejected"))
    record_look(log, Look("run of b", "u", "2", 2026, result(A=0.6), verdict="rejected"))
    log.write_text(log.read_text().replace('"results":{"A"', '"results":{"Z"', 1).replace('"truth":"t"', '"truth":"x"'))
    ledger = read_ledger(log)
    assert [row["line"] for row in negative_evidence(ledger)] == [2]
    assert (ledger.looks_at("t"), ledger.looks_at("u")) == (1, 2)


@pytest.mark.parametrize("results", [5, [], {"A": 1}, {"A": {"official_score": 1}}, None])
def test_results_of_another_shape_are_passed_over(log, results):
    append(log, lambda _: {"kind": "look", "truth": "t", "year": 2026, "results": results, "verdict": "rejected"})
    assert negative_evidence(read_ledger(log)) == []
