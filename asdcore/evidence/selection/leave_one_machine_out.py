"""Leave one machine out: tests whether a choice made on some machines holds on another.

A choice by official score that is made and reported on the same machines looks better than it is. Here every machine is
scored by the candidate that all others would have chosen. The idea is in "Robust train-normal calibration" (DCASE 2026,
sections 2 and 4), which gives no formula; the formulas below are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import official_score
from asdcore.evidence.selection.candidates import Candidates, Cells
from asdcore.evidence.selection.outcome import Outcome, points

CONSISTENT = Fraction(5, 7)
"""The share of machines on which the choice must beat the baseline: 5 of the 7 of a development set."""

Criterion = Callable[[str, Sequence[str]], float]
"""(candidate, machines) -> the figure that the choice maximizes."""

DEFINITION = (
    "Each machine is held out in turn: among the candidates, the one with the highest {criterion} on all other "
    "machines is chosen, and its cells of the machine left out are kept. held_out is the official score of all cells "
    "kept so, direct that of the candidate chosen on all machines; optimism = direct - held_out. gain is the official "
    "score of a machine's kept cells less the baseline's. Accepted if held_out is above the official score of the "
    "baseline and gain is positive on at least 5/7 of the machines."
)


def lomo(candidates: Candidates, baseline: str | None = None) -> Outcome:
    """Leave one machine out, choosing by the official score.

    baseline : the candidate that a choice must beat; the first one by default.
    """
    return leave_machines_out("lomo", DEFINITION.format(criterion="official score"), candidates, baseline)


def leave_machines_out(
    protocol: str,
    definition: str,
    candidates: Candidates,
    baseline: str | None,
    criterion: Criterion | None = None,
) -> Outcome:
    """Choose on all machines but one, by ``criterion`` (the official score by default), for each machine."""
    judge = criterion or candidates.score
    base, machines = candidates.checked(baseline), candidates.machines
    if len(machines) < 2:
        raise EvaluationError(
            f"There is one machine, {machines[0]}: to leave one out and choose on the others, two are needed."
        )
    held: Cells = {}
    rows = []
    for machine in machines:
        rest = [other for other in machines if other != machine]
        on_others = {name: judge(name, rest) for name in candidates.names}
        chosen = candidates.best(on_others.__getitem__)
        held |= candidates.cells(chosen, [machine])
        rows.append(_row(candidates, machine, chosen, base, on_others[chosen]))
    direct = candidates.best(lambda name: judge(name, machines))
    facts = _facts(candidates, base, direct, official_score(held, candidates.year), rows)
    return Outcome(protocol, definition, facts, rows, _sentence(facts))


def _row(candidates: Candidates, machine: str, chosen: str, base: str, on_others: float) -> dict[str, Any]:
    kept, before = candidates.score(chosen, [machine]), candidates.score(base, [machine])
    return {
        "machine": machine,
        "chosen": chosen,
        "on_others": on_others,
        "held_out": kept,
        "baseline": before,
        "gain": kept - before,
    }


def _facts(
    candidates: Candidates, base: str, direct: str, held_out: float, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    positive, needed = sum(row["gain"] > 0 for row in rows), math.ceil(CONSISTENT * len(rows))
    before, reached = candidates.score(base), candidates.score(direct)
    return {
        "candidates": [{"candidate": name, "official_score": candidates.score(name)} for name in candidates.names],
        "baseline": base,
        "baseline_score": before,
        "chosen": direct,
        "direct": reached,
        "held_out": held_out,
        "optimism": reached - held_out,
        "machines": len(rows),
        "positive": positive,
        "positive_needed": needed,
        "accepted": held_out > before and positive >= needed,
    }


def _sentence(facts: dict[str, Any]) -> str:
    base = facts["baseline"]
    if facts["chosen"] == base:
        return (
            f"{base}, the baseline, is also the candidate chosen on all machines, with {points(facts['direct'])}: "
            f"there is nothing to accept, keep it. On {facts['machines']} machines left out, the choice reaches "
            f"{points(facts['held_out'])}. Name another baseline with --baseline to compare with that."
        )
    return (
        f"{facts['chosen']} is chosen on all machines, with {points(facts['direct'])}; held out, the choice reaches "
        f"{points(facts['held_out'])} (optimism {points(facts['optimism'], signed=True)}) against "
        f"{points(facts['baseline_score'])} of the baseline {base}, and is better than it on {facts['positive']} of "
        f"{facts['machines']} machines ({facts['positive_needed']} needed): "
        f"{'accepted' if facts['accepted'] else 'not accepted, keep the baseline'}."
    )
