"""Systems -> decisions: anomalous or not, by the train-normal empirical CDF.

The threshold of a machine, section and system is the smallest train-normal out-of-fold score whose empirical CDF
reaches the quantile; a test clip above it is anomalous. Test scores take no part in it.
"""

from __future__ import annotations

import polars as pl

from asdcore.portfolio import Decision
from asdcore.store.tables import DECISIONS


def decide(systems: pl.DataFrame, clips: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Return threshold and decision (0 or 1) of every test clip and system."""
    rows = systems.join(clips.select("clip", "machine", "section"), on="clip", validate="m:1")
    cell = ["machine", "section", "system"]
    thresholds = (
        rows.filter(pl.col("role") == "oof")
        .group_by(cell)
        .agg(threshold=pl.col("score").sort().get((pl.len() * decision.quantile).ceil().cast(pl.Int64) - 1))
    )
    tested = rows.filter(pl.col("role") == "test").join(thresholds, on=cell, validate="m:1")
    return DECISIONS.check(
        tested.with_columns(decision=(pl.col("score") > pl.col("threshold")).cast(pl.Int8)).select(
            list(DECISIONS.columns)
        )
    )
