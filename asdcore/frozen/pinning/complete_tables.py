"""Check that the tables of a run are complete: a row for every clip, branch and system, and no other row.

A seal shows that a table was not changed, not that it holds what a run writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from asdcore.errors import ManifestError
from asdcore.portfolio import Portfolio
from asdcore.runs.portions import TablePortions

SHOWN = 10


def check_whole(tables: TablePortions, plan: Portfolio) -> None:
    """Raise ManifestError unless every clip has a score of each branch and system, and every test clip a decision.

    Reading a table has already checked that its numbers are finite.
    """
    branches, systems = _names("branch", plan.branches), _names("system", plan.systems)
    seen = _Seen()
    for clips, rows in tables.beside("scores", "calibrated", "systems", "decisions"):
        role = pl.when(pl.col("split") == "train").then(pl.lit("oof")).otherwise(pl.lit("test"))
        listed = clips.select("clip", role=role)
        seen.compare("scores", rows["scores"], listed.join(branches, how="cross"))
        seen.compare("calibrated", rows["calibrated"], listed.join(branches, how="cross"))
        seen.compare("systems", rows["systems"], listed.join(systems, how="cross"))
        tested = listed.filter(role="test").select("clip").join(systems, how="cross")
        seen.compare("decisions", rows["decisions"], tested)
        seen.judge(rows["decisions"], rows["systems"])
    if problems := seen.problems():
        raise ManifestError(
            "\n  - ".join(
                [f"{tables.run.folder} holds tables that no run writes. Run the portfolio again.", *problems[:SHOWN]]
            )
        )


@dataclass
class _Seen:
    """How many rows of each table are missing or belong to nothing, and the first of each; and of wrong decisions."""

    lost: Counter[str] = field(default_factory=Counter)
    more: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def compare(self, name: str, table: pl.DataFrame, wanted: pl.DataFrame) -> None:
        """Count the rows of a portion that are missing, and those that belong to nothing in the run."""
        there = table.select(wanted.columns).unique()
        for kind, count, rows in (
            ("lost", self.lost, wanted.join(there, on=wanted.columns, how="anti", maintain_order="left")),
            ("more", self.more, there.join(wanted, on=wanted.columns, how="anti")),
        ):
            count[name] += len(rows)
            if len(rows):
                self.first.setdefault((name, kind), ", ".join(map(str, rows.row(0))))

    def judge(self, decisions: pl.DataFrame, systems: pl.DataFrame) -> None:
        """Count decisions that do not follow from their scores, and scores that are not those of the systems."""
        follows = (pl.col("score") > pl.col("threshold")).cast(pl.Int8)
        wrong = decisions.filter(pl.col("decision") != follows)
        self.wrong["decisions do not follow from their scores and thresholds"] += len(wrong)
        scored = decisions.join(systems.filter(role="test"), on=("clip", "system"), suffix="_fused")
        wrong = scored.filter(pl.col("score") != pl.col("score_fused"))
        self.wrong["scores are not those of the table systems"] += len(wrong)

    def problems(self) -> list[str]:
        """Say what is wrong, table by table."""
        lines = []
        for name in self.lost:
            if lost := self.lost[name]:
                lines.append(f"{name}: {lost} rows are missing, such as {self.first[name, 'lost']}")
            if more := self.more[name]:
                lines.append(f"{name}: {more} rows do not belong to the run, such as {self.first[name, 'more']}")
        return lines + [f"decisions: {wrong} {what}" for what, wrong in self.wrong.items() if wrong]


def _names(column: str, names: Iterable[str] | Mapping[str, object]) -> pl.DataFrame:
    return pl.DataFrame({column: list(names)}, schema={column: pl.String})
