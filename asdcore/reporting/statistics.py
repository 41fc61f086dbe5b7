"""Collect intervals, pairwise differences and ledger entries for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.digits import fixed, rounded
from asdcore.evidence.comparisons.trial_comparison import compared_trials
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.look import Verdict
from asdcore.evidence.uncertainty import Difference, Interval, differences
from asdcore.reporting.reported_runs import Subject, called, official_cells
from asdcore.store.cache import Store
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import GROUND_TRUTH

PERMUTATIONS = 1000
"""Of the tests between systems: enough for the 28 pairs of 8 systems, for which Holm needs p below 0.0018."""

EXCERPT = 25
"""Entries of a ledger that the report shows: the last ones."""


@dataclass(frozen=True)
class Statistics:
    """How good the systems of a report are.

    official : {title of a system: interval of its official score}. cells : a row for each machine, section, system and
    official cell. differences : of every two systems that were evaluated on the same clips by the same rules.
    """

    official: dict[str, Interval]
    cells: list[dict[str, Any]]
    differences: list[Difference]


def compute_statistics(subjects: Sequence[Subject]) -> Statistics:
    """Return intervals and differences of all systems that have labels; in fractions."""
    result = Statistics({}, [], [])
    for subject in subjects:
        if subject.evaluation is not None and (sure := subject.evaluation.uncertainty) is not None:
            result.official.update({subject.title(name): intervals["bca"] for name, intervals in sure.official.items()})
            for name, rows in sure.cells.items():
                result.cells.extend(
                    _cell(subject, name, row, cell) for row in rows for cell in official_cells(subject.year)
                )
    for group in comparable(subjects):
        if group[0].trials is not None and group[0].labels is not None:
            result.differences.extend(_over_trials(group, group[0].labels))
            continue
        table = pl.concat([subject.judged for subject in group if subject.judged is not None])
        if table["system"].n_unique() > 1:
            result.differences.extend(differences(table, group[0].year, permutations=PERMUTATIONS))
    return result


def _over_trials(group: Sequence[Subject], labels: pl.DataFrame) -> Sequence[Difference]:
    """Return the differences of all systems of trials on the same clips; none of a single trial or system."""
    places = {
        subject.title(system): (subject.trials, system)
        for subject in group
        for system in subject.systems
        if subject.trials is not None
    }
    enough = len(places) > 1 and all(len(trials.runs) > 1 for trials, _ in places.values())
    return compared_trials(places, labels, group[0].year).differences if enough else []


def comparable(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Group the labelled runs that share clips, labels and rules."""
    groups: dict[tuple[str, int], list[Subject]] = {}
    for subject in subjects:
        if subject.labels is not None:
            audio = subject.clips.filter(split="test").select("clip", "machine", "section", "label", "domain")
            groups.setdefault((table_digest(audio, ("clip",)), subject.year), []).append(subject)
    return list(groups.values())


def ledger_excerpt(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Return for each store: where its ledger is, its problems, counts, and the last looks at the report's labels."""
    excerpts = []
    for store in dict.fromkeys(subject.run.about["store"] for subject in subjects):
        log = Store(Path(store)).looks
        if not log.is_file():
            excerpts.append({"path": str(log), "gone": True})
            continue
        ledger = read_ledger(log)
        truths = _digests_of_labels(subject for subject in subjects if subject.run.about["store"] == store)
        looks = [look for look in ledger.looks if look.entry.get("truth") in truths]
        excerpts.append(
            {
                "path": str(log),
                "gone": False,
                "problems": ledger.chain.problems,
                "looks": len(looks),
                "results": len({look.entry.get("evaluated") for look in looks}),
                "all": len(ledger.looks),
                "rows": [_look_row(look.number, look.entry, ledger.verdict_on(look)) for look in looks[-EXCERPT:]],
            }
        )
    return excerpts


def _digests_of_labels(subjects: Iterable[Subject]) -> set[str]:
    """Return the digests by which the ledger knows the labels of these runs."""
    return {table_digest(subject.labels, GROUND_TRUTH.key) for subject in subjects if subject.labels is not None}


def _look_row(line: int, entry: Mapping[str, Any], verdict: Verdict | None) -> dict[str, Any]:
    """Return what the report shows of one look."""
    return {
        "line": line,
        "time": entry.get("time"),
        "what": entry.get("what"),
        "evaluated": str(entry.get("evaluated", ""))[:12],
        "best": _best(entry.get("results")),
        "hypothesis": entry.get("hypothesis"),
        "verdict": verdict,
    }


def _cell(subject: Subject, system: str, row: dict[str, Any], cell: str) -> dict[str, Any]:
    """Return one cell with its interval, in percent."""
    interval: Interval = row[cell]
    values = {name: rounded(100 * getattr(interval, name), 4) for name in ("estimate", "low", "high")}
    where = {"machine": row["machine"], "section": row["section"]}
    return where | {"system": subject.title(system), "cell": called(cell)} | values


def _best(results: Any) -> str | None:
    """Return the best of an entry's systems with its official score, in percent."""
    if not results:
        return None
    name = max(sorted(results), key=lambda system: results[system]["official_score"])
    return f"{name} {fixed(100 * results[name]['official_score'])}"
