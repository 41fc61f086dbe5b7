"""asdcore.evidence.selection.choose: one way into every protocol, and the ledger knows of each look."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.selection.choose import PROTOCOLS

EFFECTS = {"A": {"fan": 1.0, "valve": 1.0}, "B": {"fan": 1.5, "valve": 1.5}}


@pytest.mark.parametrize("protocol", ["lomo", "mirror", "tournament"])
def test_a_protocol_over_labels_is_a_look(make_run, tmp_path, protocol):
    run = make_run("run", EFFECTS, mirrors={"B": "A"})
    for looks in (1, 2):
        outcome = asdcore.select([run], protocol, replicates=100, hypothesis="B is better")
        assert (outcome.protocol, outcome.looks) == (protocol, looks)
    found = asdcore.ledger(tmp_path / "store").looks
    assert [look.entry["what"] for look in found] == [f"{protocol} over run"] * 2
    assert found[0].entry["hypothesis"] == "B is better"


def test_a_protocol_without_labels_is_no_look(make_run, tmp_path):
    run = make_run("run", EFFECTS)
    assert asdcore.select(run.folder, "criteria", by="tail_ratio").looks is None
    assert asdcore.ledger(tmp_path / "store").looks == []


def test_systems_and_baseline_are_passed_on(make_run):
    run = make_run("run", {**EFFECTS, "C": EFFECTS["A"]})
    facts = asdcore.select(run, "lomo", systems=["C", "B"], baseline="B").facts
    assert ([row["candidate"] for row in facts["candidates"]], facts["baseline"]) == (["C", "B"], "B")
    assert asdcore.select(run, "tournament", replicates=50, seed=3).facts["seed"] == 3


def test_an_unknown_protocol_is_refused(make_run):
    with pytest.raises(EvaluationError, match=f"no protocol 'lom'. Did you mean 'lomo'.*{sorted(PROTOCOLS)[0]}"):
        asdcore.select(make_run("run", EFFECTS), "lom")
