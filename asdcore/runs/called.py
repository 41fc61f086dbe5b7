"""Says what a finished run calls anomalous. No label is looked at."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from asdcore.runs.folder import Run


def called(finished: Run, title: Callable[[str], str] = str) -> list[str]:
    """Say for each system how many test clips it calls anomalous, and which lies furthest above its threshold.

    title : how a system is called.
    """
    sentences = []
    for (system,), rows in finished.decisions.group_by("system", maintain_order=True):
        furthest = rows.sort(pl.col("score") - pl.col("threshold"), "clip", descending=[True, False]).row(0, named=True)
        count = int(rows["decision"].sum())
        scores = f"score {furthest['score']:.4g}, threshold {furthest['threshold']:.4g}"
        most = f", most of all {furthest['clip']} ({scores})" if count else ""
        sentences.append(f"{title(str(system))} calls {count} of {len(rows)} test clips anomalous{most}.")
    return sentences
