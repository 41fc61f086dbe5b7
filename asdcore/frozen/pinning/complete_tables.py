"""Check that the tables of a run are complete: a row for every clip, branch and system, and no other row.

A seal shows that a table was not changed, not that it holds what a run writes.
"""

from __future__ import annotations

import polars as pl

from asdcore.errors import ManifestError
from asdcore.portfolio import Portfolio
from asdcore.runs.folder import Run

SHOWN = 10


def check_whole(run: Run, plan: Portfolio) -> None:
    """Raise ManifestError unless every clip has a score of each branch and system, and every test clip a decision.

    Reading a table has already checked that its numbers are finite.
    """
    clips = run.clips.select(
        "clip", role=pl.when(pl.col("split") == "train").then(pl.lit("oof")).otherwise(pl.lit("test"))
    )
    branches, systems = _names("branch", plan.branches), _names("system", plan.systems)
    wanted = {
        "scores": clips.join(branches, how="cross"),
        "calibrated": clips.join(branches, how="cross"),
        "systems": clips.join(systems, how="cross"),
        "decisions": clips.filter(role="test").select("clip").join(systems, how="cross"),
    }
    problems = [line for name, keys in wanted.items() for line in _apart(name, getattr(run, name), keys)]
    judged = run.decisions.with_columns(expected=(pl.col("score") > pl.col("threshold")).cast(pl.Int8))
    if wrong := judged.filter(pl.col("decision") != pl.col("expected")).height:
        problems.append(f"decisions: {wrong} decisions do not follow from their scores and thresholds")
    scored = run.decisions.join(run.systems.filter(role="test"), on=("clip", "system"), suffix="_fused")
    if wrong := scored.filter(pl.col("score") != pl.col("score_fused")).height:
        problems.append(f"decisions: {wrong} scores are not those of the table systems")
    if problems:
        raise ManifestError(
            "\n  - ".join(
                [f"{run.folder} holds tables that no run writes. Run the portfolio again.", *problems[:SHOWN]]
            )
        )


def _names(column: str, names: object) -> pl.DataFrame:
    return pl.DataFrame({column: list(names)}, schema={column: pl.String})  # type: ignore[call-overload]


def _apart(name: str, table: pl.DataFrame, wanted: pl.DataFrame) -> list[str]:
    """Say how many rows of a table are missing, and how many belong to nothing in the run."""
    there = table.select(wanted.columns).unique()
    lost, more = wanted.join(there, on=wanted.columns, how="anti"), there.join(wanted, on=wanted.columns, how="anti")
    first = [", ".join(map(str, rows.row(0))) if len(rows) else "" for rows in (lost, more)]
    lines = [f"{name}: {len(lost)} rows are missing, such as {first[0]}"] if len(lost) else []
    return lines + ([f"{name}: {len(more)} rows do not belong to the run, such as {first[1]}"] if len(more) else [])
