"""Describe, for the manifest, how train normals were split to be scored out of fold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import FULL


def split_rows(scores: pl.DataFrame, out_of_fold: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each branch, machine and section: how its train normals were split.

    scores : the score table. out_of_fold : the key ``out_of_fold`` of ``run.json``.
    """
    rows = []
    together = {
        (branch, row["machine"], row["section"]): row["by"]
        for row in out_of_fold
        for branch in row["branches"]
        if any(domain["groups"] < domain["clips"] for domain in row["domains"].values())
    }
    held_out = scores.filter(pl.col("role") == "oof").select("branch", "machine", "section", "clip", "fold").unique()
    held_out = held_out.with_columns(alone=pl.col("fold") == FULL)
    groups = held_out.group_by("branch", "machine", "section", "alone")
    for (branch, machine, section, alone), cell in sorted(groups, key=_first):
        by = f" by {together[branch, machine, section]}" if (branch, machine, section) in together else ""
        scheme = ("leave-one-out" if alone else f"{cell['fold'].n_unique()} folds") + by
        digest = table_digest(cell.select("clip", "fold"), ("clip",))
        where = {"branch": branch, "machine": machine, "section": section}
        rows.append({**where, "scheme": scheme, "clips": len(cell), "clip_and_fold": digest})
    return rows


def _first(pair: Iterable[Any]) -> Any:
    return next(iter(pair))
