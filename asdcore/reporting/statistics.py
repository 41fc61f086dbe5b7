"""What numbers are worth: intervals, differences and looks, asked of the evidence modules in this one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.digits import fixed, rounded
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.uncertainty import Difference, Interval, differences
from asdcore.reporting.reported_runs import Subject, called, official_cells
from asdcore.store.cache import Store
from asdcore.store.digest import table_digest
from asdcore.store.tables import GROUND_TRUTH

PERMUTATIONS = 1000
"""Of the tests between systems: enough for 28 pairs of 8 systems, where Holm asks for p below 0.0018."""

EXCERPT = 25
"""Entries of a ledger that the report shows: the last ones."""


@dataclass(frozen=True)
class Worth:
    """What the systems of a report are worth.

    official : {title of a system: interval of its official score}. cells : a row for each machine, section, system and
    official cell. differences : of every two systems that were judged on the same clips by the same rules.
    """

    official: dict[str, Interval]
    cells: list[dict[str, Any]]
    differences: list[Difference]


def worth(subjects: Sequence[Subject]) -> Worth:
    """Return intervals and differences of all systems that have labels; in fractions."""
    found = Worth({}, [], [])
    for subject in subjects:
        if subject.evaluation is not None and (sure := subject.evaluation.uncertainty) is not None:
            found.official.update({subject.title(name): one["bca"] for name, one in sure.official.items()})
            for name, rows in sure.cells.items():
                found.cells.extend(_cell(subject, name, row, cell) for row in rows for cell in official_cells(subject))
    for group in comparable(subjects):
        table = pl.concat([one.judged for one in group if one.judged is not None])
        if table["system"].n_unique() > 1:
            found.differences.extend(differences(table, group[0].year, permutations=PERMUTATIONS))
    return found


def comparable(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Group the runs that have labels by what they are judged on: the same clips, labels and rules."""
    groups: dict[tuple[str, int], list[Subject]] = {}
    for one in subjects:
        if one.labels is not None:
            audio = one.clips.filter(split="test").select("clip", "machine", "section", "label", "domain")
            groups.setdefault((table_digest(audio, ("clip",)), one.year), []).append(one)
    return list(groups.values())


def ledger_excerpt(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Return for each store: where its ledger is, its problems, counts, and the last looks at the report's labels."""
    found = []
    for store in dict.fromkeys(one.run.about["store"] for one in subjects):
        log = Store(Path(store)).looks
        if not log.is_file():
            found.append({"path": str(log), "gone": True})
            continue
        ledger = read_ledger(log)
        truths = {
            table_digest(one.labels, GROUND_TRUTH.key)
            for one in subjects
            if one.labels is not None and one.run.about["store"] == store
        }
        looks = [one for one in ledger.looks if one.entry.get("truth") in truths]
        rows = [
            {
                "line": one.number,
                "time": one.entry.get("time"),
                "what": one.entry.get("what"),
                "evaluated": str(one.entry.get("evaluated", ""))[:12],
                "best": _best(one.entry.get("results")),
                "hypothesis": one.entry.get("hypothesis"),
                "verdict": ledger.verdict_on(one),
            }
            for one in looks[-EXCERPT:]
        ]
        found.append(
            {
                "path": str(log),
                "gone": False,
                "problems": ledger.chain.problems,
                "looks": len(looks),
                "results": len({one.entry.get("evaluated") for one in looks}),
                "all": len(ledger.looks),
                "rows": rows,
            }
        )
    return found


def _cell(subject: Subject, system: str, row: dict[str, Any], cell: str) -> dict[str, Any]:
    """Return one cell with its interval, in percent."""
    interval: Interval = row[cell]
    values = {name: rounded(100 * getattr(interval, name), 2) for name in ("estimate", "low", "high")}
    where = {"machine": row["machine"], "section": row["section"]}
    return where | {"system": subject.title(system), "cell": called(cell)} | values


def _best(results: Any) -> str | None:
    """Say the highest official score among an entry's systems, in percent."""
    if not results:
        return None
    name = max(sorted(results), key=lambda one: results[one]["official_score"])
    return f"{name} {fixed(100 * results[name]['official_score'])}"
