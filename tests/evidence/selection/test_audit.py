"""asdcore.evidence.selection.audit: the plan comes first, cannot be changed, and its rule decides."""

from __future__ import annotations

import json

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.selection import audit
from asdcore.store.digests.sealed_json import is_sealed

FAIR, GOOD = {"fan": 1.0, "valve": 1.0}, {"fan": 1.6, "valve": 1.6}


@pytest.fixture
def runs(make_run):
    return [make_run("fair", {"A": FAIR}), make_run("good", {"B": GOOD, "C": GOOD})]


def row(score, share=0.5, fpr=0.1, pauc=0.6):
    return {
        "official_score": score,
        "target_share_of_top_normals": share,
        "target_fpr_at_threshold": fpr,
        "mean_pauc": pauc,
    }


def test_a_plan_is_sealed_and_in_the_ledger_before_any_look(runs, tmp_path):
    plan = asdcore.audit_plan(runs, tmp_path / "plan.json")
    assert is_sealed((tmp_path / "plan.json").read_bytes())
    assert [one["name"] for one in plan["candidates"]] == ["fair/A", "good/B", "good/C"]
    assert (plan["within"], plan["risk"], plan["late"]) == (0.005, "target_share_of_top_normals", [])
    ledger = read_ledger(tmp_path / "store" / "looks.jsonl")
    assert (len(ledger.looks), [line.entry["kind"] for line in ledger.chain.lines]) == (0, ["plan"])
    outcome = asdcore.audit_decide(tmp_path / "plan.json")
    assert ledger.chain.lines[0].entry["plan"] == outcome.facts["plan_sha256"]
    looks = read_ledger(tmp_path / "store" / "looks.jsonl").looks
    assert [look.entry["what"] for look in looks] == [
        f"audit {outcome.facts['plan_sha256'][:12]} over {name}" for name in ("fair", "good")
    ]


def test_the_audit_picks_by_its_rule(runs, tmp_path):
    asdcore.audit_plan(runs, tmp_path / "plan.json", within=0.5)
    outcome = asdcore.audit_decide(tmp_path / "plan.json")
    rows = {one["candidate"]: one for one in outcome.rows}
    official = {f"{run.folder.name}/{name}": one for run in runs for name, one in asdcore.evaluate(run).systems.items()}
    for name, found in rows.items():
        cells = official[name].cells
        assert found["official_score"] == official[name].official_score
        for risk in audit.RISKS:
            assert found[risk] == pytest.approx(sum(cell[risk] for cell in cells) / len(cells))
    smallest = min(one["target_share_of_top_normals"] for one in rows.values())
    assert rows[outcome.facts["chosen"]]["target_share_of_top_normals"] == smallest
    assert rows[outcome.facts["chosen"]]["left_at"] == "chosen"
    assert outcome.definition == json.loads((tmp_path / "plan.json").read_text())["rule"]


RULES = {
    "the best alone": ({"a": row(0.60), "b": row(0.61)}, "b", {"a": "official score"}),
    "near enough, less risk": ({"a": row(0.606, share=0.4), "b": row(0.61)}, "a", {"b": "risk"}),
    "just near enough": ({"a": row(0.605, share=0.4), "b": row(0.61)}, "a", {"b": "risk"}),
    "equal risk, more pAUC": ({"a": row(0.61), "b": row(0.608, pauc=0.7)}, "b", {"a": "pAUC"}),
    "risk before pAUC": ({"a": row(0.61, pauc=0.9), "b": row(0.61, share=0.3)}, "b", {"a": "risk"}),
    "all equal": ({"a": row(0.61), "b": row(0.61)}, "a", {"b": "pAUC"}),
    "risks that differ by rounding": (
        {"a": row(0.61, share=0.1 + 0.2), "b": row(0.61, share=0.3, pauc=0.7)},
        "b",
        {"a": "pAUC"},
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_the_rule_is_lexicographic(case):
    rows, chosen, left_at = RULES[case]
    assert audit._follow(rows, 0.005, "target_share_of_top_normals") == (chosen, left_at)


def test_the_other_reading_may_decide():
    rows = {"a": row(0.61, share=0.2, fpr=0.3), "b": row(0.61, share=0.5, fpr=0.1)}
    assert audit._follow(rows, 0.005, "target_fpr_at_threshold")[0] == "b"


@pytest.mark.parametrize("way", ["in this store", "by its evaluation.json alone"])
def test_a_plan_after_a_look_is_refused_unless_late(runs, tmp_path, way):
    asdcore.evaluate(runs[0])
    if way != "in this store":
        for path in (tmp_path / "store").glob("looks*"):
            path.unlink()
    with pytest.raises(EvaluationError, match=r"A plan comes before the first metric, but:\n  - .*fair was evaluated"):
        asdcore.audit_plan(runs, tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()
    plan = asdcore.audit_plan(runs, tmp_path / "plan.json", late=True)
    assert len(plan["late"]) == 1
    outcome = asdcore.audit_decide(tmp_path / "plan.json")
    assert outcome.facts["late"] == plan["late"]
    assert outcome.sentence.endswith("The plan was made after candidates had been evaluated.")


def test_a_ledger_that_was_changed_cannot_say_that_there_was_no_look(runs, tmp_path):
    asdcore.evaluate(runs[0])
    (runs[0].folder / "evaluation.json").unlink()
    (tmp_path / "store" / "looks.jsonl").write_bytes(b"")
    with pytest.raises(EvaluationError, match="looks.jsonl is not as it was written"):
        asdcore.audit_plan(runs, tmp_path / "plan.json")


def test_a_changed_plan_decides_nothing(runs, tmp_path):
    path = tmp_path / "plan.json"
    asdcore.audit_plan(runs, path)
    path.write_text(path.read_text().replace('"within": 0.005', '"within": 0.05'))
    with pytest.raises(EvaluationError, match="has changed since it was sealed"):
        asdcore.audit_decide(path)
    for content in (b"{}", b"no json", b"[]"):
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match="is not a plan of an audit"):
            asdcore.audit_decide(path)
    assert read_ledger(tmp_path / "store" / "looks.jsonl").looks == []


def test_a_run_that_was_made_again_does_not_comply(runs, make_run, tmp_path):
    path = tmp_path / "plan.json"
    asdcore.audit_plan(runs, path)
    make_run("good", {"B": FAIR, "C": GOOD}, seed=1)
    outcome = asdcore.audit_decide(path)
    assert outcome.facts["chosen"] == "fair/A"
    assert [one["left_at"] for one in outcome.rows] == ["chosen", "compliance", "compliance"]
    assert "is not the run that the plan names" in outcome.facts["broken"]["good/B"]
    (runs[0].folder / "systems.parquet").write_bytes(b"")
    with pytest.raises(EvaluationError, match=r"No candidate of .*plan.json complies:\n  - fair/A: "):
        asdcore.audit_decide(path)


def test_a_plan_moves_with_its_runs(runs, tmp_path):
    asdcore.audit_plan(runs, tmp_path / "runs" / "plan.json")
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert asdcore.audit_decide(tmp_path / "elsewhere" / "plan.json").facts["broken"] == {}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"risk": "risk"}, "There is no risk 'risk'"),
        ({"within": -0.1}, r"within is -0.1; a difference of official scores in \[0, 1\)"),
        ({"systems": ["fair/A"]}, "The only candidate is fair/A"),
    ],
)
def test_what_cannot_be_planned_is_refused(runs, tmp_path, more, said):
    with pytest.raises(EvaluationError, match=said):
        asdcore.audit_plan(runs, tmp_path / "plan.json", **more)
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_is_not_written_over(runs, tmp_path):
    asdcore.audit_plan(runs, tmp_path / "plan.json")
    before = (tmp_path / "plan.json").read_bytes()
    with pytest.raises(EvaluationError, match="a plan is written once"):
        asdcore.audit_plan(runs, tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_bytes() == before
