"""One way into every protocol of selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.criteria import criteria
from asdcore.evidence.selection.candidates import Candidates, Runs, open_candidates, places_of
from asdcore.evidence.selection.lomo import lomo
from asdcore.evidence.selection.mirror import mirror
from asdcore.evidence.selection.nested import nested
from asdcore.evidence.selection.outcome import Outcome
from asdcore.evidence.selection.tournament import tournament

PROTOCOLS = ("lomo", "nested", "mirror", "tournament", "criteria")


def select(
    runs: Runs,
    protocol: str,
    *,
    systems: Sequence[str] | None = None,
    baseline: str | None = None,
    by: str | None = None,
    truth: str | Path | None = None,
    year: int | None = None,
    replicates: int = 1000,
    seed: int = 0,
    hypothesis: str | None = None,
) -> Outcome:
    """Choose among the systems of finished runs, and say what the choice is worth.

    runs : a run, its folder, or a list of them. protocol : "lomo" (leave one machine out), "nested" (machines out of
    the choice, train normals out of the calibration), "mirror" (a system against its out-of-fold mirror), "tournament"
    (bootstrap: optimism of the best of N), or "criteria" (no labels: train normals alone). systems : the candidates, as
    the outcome names them; all if none are named. baseline : what a choice must beat (lomo, nested, tournament). by :
    which criterion ranks (criteria). truth, year, hypothesis : see :func:`asdcore.evaluate`. replicates, seed : of the
    bootstrap (tournament, mirror).

    Every protocol but "criteria" looks at the labels, and the ledger of each run's store says so. Raises an
    AsdcoreError where the runs are not of the same recordings, or a protocol cannot be followed on them.
    """
    if protocol not in PROTOCOLS:
        raise EvaluationError(f"There is no protocol {protocol!r}. {did_you_mean(protocol, PROTOCOLS)}")
    places = places_of(runs, systems)
    if protocol == "criteria":
        return criteria(places, by)
    candidates = open_candidates(places, truth, year)
    ways: dict[str, Callable[[Candidates], Outcome]] = {
        "lomo": lambda one: lomo(one, baseline),
        "nested": lambda one: nested(one, baseline),
        "mirror": lambda one: mirror(one, replicates, seed),
        "tournament": lambda one: tournament(one, baseline, replicates=replicates, seed=seed),
    }
    outcome = ways[protocol](candidates)
    return replace(outcome, looks=candidates.record(f"{protocol} over", hypothesis))
