"""Compute, for each machine, the score distributions, the ROC curves, the highest clips, and the normals among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.evidence.metrics import rule
from asdcore.reporting.reported_runs import Subject

BINS = 36
ORDER = ["sha256", "clip"]
"""The order of test clips in every column of a part."""

TAIL = 10
"""Normals shown in a tail: with 100 test normals, those that decide pAUC up to 10 % false positives."""

TOP = 4
"""Highest clips shown of each machine and system, whatever their label."""

Floats = NDArray[np.float64]
Cell = tuple[str, str]


def machine_parts(subject: Subject) -> Iterator[tuple[Cell, str, dict[str, Any]]]:
    """Yield (machine, section), system, and its distributions, ROC curves, test scores, highest clips and tail."""
    for (machine, section, system), rows in subject.rows.group_by("machine", "section", "system", maintain_order=True):
        tested = rows.filter(pl.col("role") == "test").sort("score", "clip", descending=[True, False])
        part = {
            "threshold": brief(rows["threshold"][0]),
            "bins": distributions(rows),
            "roc": curves(tested, subject.year),
            "scores": list(map(brief, tested.sort(ORDER)["score"])),
            "top": top(tested),
            "tail": tail(tested),
            "guarded": bool((tested["penalty"] > 0).any()),
        }
        yield (str(machine), str(section)), str(system), part


def group_of(role: str, label: int | None) -> str:
    """Return the group a clip is shown in: "train normal", "test normal", "anomaly", or "test" without labels."""
    if role == "oof":
        return "train normal"
    return "test" if label is None else ("anomaly" if label else "test normal")


def distributions(rows: pl.DataFrame) -> dict[str, Any]:
    """Return a histogram of scores for each group and domain, all with the same bins.

    ``start`` and ``step`` tell the bins; the outer ones hold all that lies beyond them too, so that a few very high
    scores do not squeeze the rest. ``counts`` are rows of [group, domain, count in each bin].
    """
    scores = rows["score"].to_numpy()
    low, high = np.quantile(scores, [0.002, 0.99])
    high = max(float(high), float(rows["threshold"].max() or high))  # type: ignore[arg-type]
    width = (high - low) / BINS or 1.0
    where = np.clip(((scores - low) // width).astype(int), 0, BINS - 1)
    groups = [group_of(role, label) for role, label in rows.select("role", "label").rows()]
    table = rows.select(pl.col("domain").fill_null("unknown")).with_columns(
        group=pl.Series(groups, dtype=pl.String), bin=pl.Series(where)
    )
    counts = []
    for (group, domain), members in table.group_by("group", "domain", maintain_order=True):
        counts.append([group, domain, np.bincount(members["bin"].to_numpy(), minlength=BINS).tolist()])
    return {"start": brief(low), "step": brief(width), "counts": sorted(counts)}


def curves(tested: pl.DataFrame, year: int) -> list[dict[str, Any]]:
    """Return the ROC curves that the year's cells are areas of: which normals, and counts at every corner.

    ``x`` counts false positives of ``normals`` clips, ``y`` true positives of ``anomalies``. Empty without labels.
    """
    rocs = []
    for normals, anomalies in dict.fromkeys((cell.normals, cell.anomalies) for cell in rule(year).cells):
        below = _of(tested, 0, normals)
        above = _of(tested, 1, anomalies)
        if len(below) and len(above):
            x, y = corners(below, above)
            name = f"{normals or 'all'} normals"
            rocs.append({"name": name, "x": x, "y": y, "normals": len(below), "anomalies": len(above)})
    return rocs


def corners(normals: Floats, anomalies: Floats) -> tuple[list[int], list[int]]:
    """(n,), (m,) scores -> counts of normals and anomalies at or above each threshold, from (0, 0) to (n, m).

    Points in the middle of a straight stretch are left out: the curve is the same without them.
    """
    thresholds = np.unique(np.concatenate([normals, anomalies]))[::-1]
    x = np.concatenate([[0], len(normals) - np.searchsorted(np.sort(normals), thresholds)])
    y = np.concatenate([[0], len(anomalies) - np.searchsorted(np.sort(anomalies), thresholds)])
    dx, dy = np.diff(x), np.diff(y)
    kept = np.concatenate([[True], dx[:-1] * dy[1:] != dx[1:] * dy[:-1], [True]])
    return x[kept].tolist(), y[kept].tolist()


def top(tested: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the highest clips of one cell, highest first; none without labels: then the tail shows them."""
    return [] if tested["label"].is_null().all() else _shown(tested, _ranked(tested).head(TOP))


def tail(tested: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the highest normals of one cell (without labels: the highest clips), highest first.

    Ranks are among all test clips of the cell: ``rank_before`` by the base, ``rank`` after guards took their penalty.
    ``outranks`` counts the anomalies with a lower score.
    """
    normals = _ranked(tested).filter(pl.col("label").is_null() | (pl.col("label") == 0))
    return _shown(tested, normals.head(TAIL))


def _ranked(tested: pl.DataFrame) -> pl.DataFrame:
    return tested.with_columns(
        rank=pl.col("score").rank("min", descending=True), rank_before=pl.col("base").rank("min", descending=True)
    )


def _shown(tested: pl.DataFrame, shown: pl.DataFrame) -> list[dict[str, Any]]:
    """Return what the page says of some of the tested clips."""
    anomalies = np.sort(_of(tested, 1, None))
    return [
        {
            "clip": row["clip"],
            "sound": row["sha256"][:16],
            "group": group_of("test", row["label"]),
            "domain": row["domain"],
            "attributes": row["attributes"],
            "score": brief(row["score"]),
            "base": brief(row["base"]),
            "penalty": brief(row["penalty"]),
            "rank": row["rank"],
            "rank_before": row["rank_before"],
            "flagged": row["threshold"] is not None and row["score"] > row["threshold"],
            "outranks": int(np.searchsorted(anomalies, row["score"])),
            "anomalies": len(anomalies),
        }
        for row in shown.iter_rows(named=True)
    ]


def brief(value: float | None) -> float | None:
    """Return a number with four significant digits: what a chart can show, in a tenth of the bytes."""
    return None if value is None else float(f"{value:.4g}")


def _of(tested: pl.DataFrame, label: int, domain: str | None) -> Floats:
    rows = tested.filter(pl.col("label") == label)
    scores: Floats = (rows if domain is None else rows.filter(pl.col("domain") == domain))["score"].to_numpy()
    return scores
