"""Joins scores with the ground truth into one table, from which all evidence is computed.

Its rows are machine, section, clip, system, score, label, domain, and perhaps decision and recording. Every system has
a row for the same clips. ``domain`` may be null under the rules of 2020 alone.
"""

from __future__ import annotations

import polars as pl

from asdcore.errors import EvaluationError
from asdcore.evidence.labels.matching import coverage, raise_all

KEY = ("system", "machine", "section", "clip")


def join_systems(
    systems: pl.DataFrame,
    decisions: pl.DataFrame | None,
    clips: pl.DataFrame,
    truth: pl.DataFrame,
    without: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Join the test rows of a run with its ground truth, by clip name.

    systems : clip, system, role, score. decisions : clip, system, decision; or None. clips : clip, machine, section,
    split. truth : clip, label, domain, and perhaps recording. without : test clips to leave out. A machine and section
    without any truth is left out. Raises EvaluationError unless truth and every system cover exactly the other test
    clips.
    """
    if without:
        kept = ~pl.col("clip").is_in(list(without))
        _check_anomalies_left(clips, truth, without)
        systems, clips, truth = systems.filter(kept), clips.filter(kept), truth.filter(kept)
        decisions = None if decisions is None else decisions.filter(kept)
    test = clips.filter(pl.col("split") == "test").select("clip", "machine", "section")
    untold = test.join(test.join(truth, on="clip", how="semi"), on=["machine", "section"], how="anti")
    if 0 < len(untold) < len(test):
        test = test.join(untold, on="clip", how="anti", maintain_order="left")
        systems = systems.join(untold, on="clip", how="anti", maintain_order="left")
        decisions = decisions if decisions is None else decisions.join(untold, on="clip", how="anti")
    problems = coverage("The ground truth", truth["clip"], test["clip"], "no test clip of this run")
    for (system,), rows in systems.group_by("system", maintain_order=True):
        scored = rows.filter(pl.col("role") == "test")
        problems += coverage(f"System {system}", scored["clip"], test["clip"], "no test clip of this run")
        if decisions is not None:
            decided = decisions.join(scored, on=["clip", "system"], how="semi")
            problems += coverage(f"The decisions of system {system}", decided["clip"], scored["clip"], "not scored")
    raise_all("The ground truth, or a system, does not fit the test clips of this run.", problems)
    table = systems.filter(pl.col("role") == "test").select("clip", "system", "score").join(test, on="clip")
    table = table.join(truth, on="clip")
    if decisions is not None:
        table = table.join(decisions.select("clip", "system", "decision"), on=["clip", "system"])
    return table


def _check_anomalies_left(clips: pl.DataFrame, truth: pl.DataFrame, without: frozenset[str]) -> None:
    """Raise if the anomalous clips of a machine and section are all among those that may not judge."""
    anomalous = truth.filter(label=1).join(clips, on="clip").with_columns(left=~pl.col("clip").is_in(list(without)))
    counted = anomalous.group_by("machine", "section").agg(pl.len(), pl.col("left").any()).filter(~pl.col("left"))
    for machine, section, count in counted.sort("machine", "section").select("machine", "section", "len").rows():
        raise EvaluationError(
            f"{machine} section {section}: all {count} anomalous test clips have chosen the weights (known faults), so "
            "none is left to judge them. Choose by fewer faults, or record others to evaluate on."
        )


def check_joined(table: pl.DataFrame) -> None:
    """Raise if a row is doubled or lacks a value, or if a system lacks a clip or a decision that it should have."""
    needed = [*KEY, "score", "label"]
    missing = sorted({*needed, "domain"} - set(table.columns))
    if missing or table.is_empty():
        raise EvaluationError(f"There is nothing to evaluate: missing columns {missing}, {len(table)} rows.")
    if table.select(needed).null_count().sum_horizontal().item():
        raise EvaluationError(f"A row lacks one of {', '.join(needed)}.")
    if table.select(KEY).is_duplicated().any():
        raise EvaluationError(f"Two rows have the same {', '.join(KEY)}.")
    clips = table.select(*KEY[1:], "label", "domain").unique()
    total = table.select(KEY[1:]).n_unique()
    problems = []
    if len(clips) > total:
        twice = clips.filter(clips.select(KEY[1:]).is_duplicated())["clip"].sort()
        problems.append(
            f"{len(clips) - total} clips have another label or domain in another system, such as {twice[0]}"
        )
    for (system,), rows in table.group_by("system", maintain_order=True):
        if len(rows) < total:
            problems.append(f"system {system} has scores of {len(rows)} clips, of {total}")
        undecided = rows["decision"].null_count() if "decision" in rows.columns else 0
        if 0 < undecided < len(rows):
            problems.append(f"system {system} has decisions on {len(rows) - undecided} clips, of {len(rows)}")
    raise_all("Every system must be evaluated on the same clips.", problems)
