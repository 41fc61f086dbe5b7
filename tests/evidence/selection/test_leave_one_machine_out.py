"""asdcore.evidence.selection.leave_one_machine_out: each machine is scored by what the others would have chosen."""

from __future__ import annotations

import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import official_score
from asdcore.evidence.selection.candidates import open_candidates, places_of
from asdcore.evidence.selection.leave_one_machine_out import lomo

MACHINES = [f"m{i}" for i in range(7)]


def effects(default, **others):
    return {machine: others.get(machine, default) for machine in MACHINES}


@pytest.fixture
def candidates(make_run):
    """A fair baseline, a system that is better everywhere, and one that is splendid on a single machine."""

    def make(**systems):
        return open_candidates(places_of([make_run("run", systems)]))

    return make


def test_the_held_out_score_is_that_of_the_cells_chosen_without_the_machine(candidates):
    found = candidates(base=effects(0.5), good=effects(1.5), lucky=effects(0.5, m3=4.0))
    outcome = lomo(found)
    kept = {}
    for row in outcome.rows:
        others = [machine for machine in MACHINES if machine != row["machine"]]
        assert row["chosen"] == max(found.names, key=lambda name: found.score(name, others))
        assert row["on_others"] == found.score(row["chosen"], others)
        assert row["gain"] == found.score(row["chosen"], [row["machine"]]) - found.score("base", [row["machine"]])
        kept |= found.cells(row["chosen"], [row["machine"]])
    assert [row["machine"] for row in outcome.rows] == MACHINES
    assert outcome.facts["held_out"] == official_score(kept, 2026)
    assert outcome.facts["optimism"] == outcome.facts["direct"] - outcome.facts["held_out"]


def test_a_system_that_is_better_everywhere_is_accepted(candidates):
    outcome = lomo(candidates(base=effects(0.5), good=effects(2.0)))
    facts = outcome.facts
    assert {row["chosen"] for row in outcome.rows} == {"good"}
    assert (facts["baseline"], facts["chosen"], facts["optimism"], facts["positive"]) == ("base", "good", 0.0, 7)
    assert (facts["positive_needed"], facts["accepted"]) == (5, True)
    assert outcome.sentence.endswith("better than it on 7 of 7 machines (5 needed): accepted.")


def test_what_is_good_on_one_machine_alone_is_found_out(candidates):
    """On all machines the specialist of one wins; without that machine nobody would have chosen it."""
    outcome = lomo(candidates(base=effects(1.0), special=effects(0.95, m3=6.0)))
    facts = outcome.facts
    assert facts["chosen"] == "special"
    assert facts["direct"] > facts["baseline_score"] > facts["held_out"]
    assert next(row for row in outcome.rows if row["machine"] == "m3")["chosen"] == "base"
    assert (facts["positive"] < 5, facts["accepted"]) == (True, False)
    assert outcome.sentence.endswith("not accepted, keep the baseline.")


def test_a_baseline_that_is_chosen_itself_is_kept_without_a_verdict(candidates):
    outcome = lomo(candidates(base=effects(2.0), worse=effects(0.5)), baseline="base")
    assert outcome.facts["chosen"] == "base"
    assert "is also the candidate chosen on all machines" in outcome.sentence
    assert "not accepted" not in outcome.sentence


def test_the_baseline_may_be_named(candidates):
    found = candidates(a=effects(0.5), b=effects(2.0))
    assert lomo(found, baseline="b").facts["accepted"] is False
    with pytest.raises(EvaluationError, match="no candidate 'c'"):
        lomo(found, baseline="c")


def test_one_machine_cannot_be_left_out(make_run):
    found = open_candidates(places_of([make_run("run", {"a": {"fan": 1.0}, "b": {"fan": 2.0}})]))
    with pytest.raises(EvaluationError, match="There is one machine, fan"):
        lomo(found)


def test_the_definition_travels_with_the_result(candidates):
    told = lomo(candidates(a=effects(0.5), b=effects(2.0))).as_json()
    assert told["protocol"] == "lomo"
    assert "optimism = direct - held_out" in told["definition"]
