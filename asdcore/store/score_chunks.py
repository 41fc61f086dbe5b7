"""Check that a chunk of scores is complete: one score for every clip, and no others."""

from __future__ import annotations

import polars as pl

from asdcore.store.tables import FULL


def lacking(chunk: pl.DataFrame, n_train: int, n_test: int) -> str | None:
    """Return what a chunk of scores lacks or has too much of, or None if it is complete.

    By every reference, each of the ``n_train`` train normals has one out-of-fold score by leaving out clip by clip, one
    by folds, or both; each of the ``n_test`` test clips has one by the scorer of all train normals, and by folds either
    none or one a fold.
    """
    # Of test clips each fold is a scheme of its own, of train normals all folds are one.
    by_fold = pl.when((pl.col("role") == "oof") & (pl.col("fold") != FULL)).then(0).otherwise(pl.col("fold"))
    row = pl.col("row")
    groups = chunk.group_by("reference", "role", scheme=by_fold).agg(
        n=pl.len(), different=row.n_unique(), lowest=row.min(), highest=row.max()
    )
    wanted = {"oof": n_train, "test": n_test}
    for group in groups.sort("reference", "role", "scheme").iter_rows(named=True):
        role, n = group["role"], wanted.get(group["role"], 0)
        if (group["n"], group["different"], group["lowest"], group["highest"]) != (n, n, 0, n - 1):
            return (
                f"it has {group['n']} {role!r} scores of {group['different']} clips by {group['reference']!r}, not {n}"
            )
    heard = set(groups.filter(role="oof")["reference"])
    tested = groups.filter(role="test")
    full = set(tested.filter(scheme=FULL)["reference"])
    mirrored = len(tested) > len(full)
    # By folds there may be a reference that leaving out clip by clip does not have.
    if not heard or (n_test and not (full and full <= heard and (mirrored or full == heard))):
        return "it lacks the scores of a whole role"
    return None
