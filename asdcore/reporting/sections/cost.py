"""Count the cost of systems beside their official score: multiply-accumulates, parameters, seconds of the run."""

from __future__ import annotations

from typing import Any

from asdcore.basics.digits import rounded
from asdcore.errors import AsdcoreError
from asdcore.preflight.complexity import complexity
from asdcore.reporting.reported_runs import Subject


def costs(subject: Subject) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for each system, and notes on what is not counted.

    ``macs`` and ``parameters`` are for one clip of 10 s, as a submission states them (None if counting
    fails here), ``seconds`` the wall time of the run that made all its systems, ``official`` in percent.
    """
    seconds = rounded(sum(subject.run.about["seconds"].values()), 2) if "seconds" in subject.run.about else None
    counted: dict[str, dict[str, int]] = {}
    try:
        cost = complexity(subject.plan)
        counted = {name: total.submitted for name, total in cost.systems.items()}
        notes = [*cost.notes]
    except AsdcoreError as error:
        notes = [f"Counting the MACs of {subject.name} failed here: {error}"]
    results = subject.evaluation.systems if subject.evaluation else {}
    rows = [
        {
            "system": subject.title(name),
            "run": subject.name,
            "official": rounded(100 * results[name].official_score, 3) if name in results else None,
            "macs": counted.get(name, {}).get("macs"),
            "parameters": counted.get(name, {}).get("total_parameters"),
            "seconds": seconds,
        }
        for name in subject.systems
    ]
    return rows, notes
