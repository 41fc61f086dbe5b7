"""Describe, for the manifest, how train normals were split to be scored out of fold."""

from __future__ import annotations

from typing import Any

import polars as pl

from asdcore.runs.portions import TablePortions
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import FULL

_CELL = ("branch", "machine", "section")


def split_rows(tables: TablePortions, out_of_fold: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each branch, machine and section: how its train normals were split.

    tables : the run's. out_of_fold : the key ``out_of_fold`` of ``run.json``.
    """
    together = {
        (branch, row["machine"], row["section"]): row["by"]
        for row in out_of_fold
        for branch in row["branches"]
        if any(domain["groups"] < domain["clips"] for domain in row["domains"].values())
    }
    splits: dict[tuple[Any, ...], dict[str, Any]] = {}
    for scores in tables.whole_cells("scores", _held_out):
        alone = (pl.col("fold") == FULL).alias("alone")
        for (branch, machine, section, is_alone), cell in scores.group_by(*_CELL, alone):
            by = f" by {together[branch, machine, section]}" if (branch, machine, section) in together else ""
            scheme = ("leave-one-out" if is_alone else f"{cell['fold'].n_unique()} folds") + by
            digest = table_digest(cell.select("clip", "fold"), ("clip",))
            where = {"branch": branch, "machine": machine, "section": section}
            row = {**where, "scheme": scheme, "clips": len(cell), "clip_and_fold": digest}
            splits[branch, machine, section, is_alone] = row
    return [splits[key] for key in sorted(splits)]


def _held_out(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the fold of every train normal, once for each branch."""
    return scores.filter(pl.col("role") == "oof").select(*_CELL, "clip", "fold").unique()
