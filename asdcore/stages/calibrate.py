"""Score table -> calibrated scores: each branch on the scale of its own train normals.

A normalizer is fitted on the out-of-fold scores of the train normals of one machine, section and branch, and then
applied to each clip alone.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components import build
from asdcore.contract.plugins import Plugins
from asdcore.errors import DataError, PluginError, blamed, located, warned
from asdcore.portfolio import Branch
from asdcore.store.tables import CALIBRATED, FULL


def calibrate(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip and branch, out-of-fold rows included."""
    return CALIBRATED.check(_calibrated(straight(scores), clips, branches, plugins).drop("fold"))


def straight(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a score table that count for systems which mirror no other.

    A train normal's score is its leave-one-out score, or that of the model without its fold where there is no other; a
    test clip's that of the model of all train normals.
    """
    full, oof = pl.col("fold") == FULL, pl.col("role") == "oof"
    left_out = (full & oof).any().over("machine", "section", "branch")
    return scores.filter(full | (oof & ~left_out))


def mirror(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip by the models of ``branches`` that lack one fold each: clip, branch, role, fold, z.

    A train normal has one row, from the model without its fold, and the normalizer is fitted on those; a test clip has
    one for each model.
    """
    rows = scores.filter((pl.col("fold") != FULL) & pl.col("branch").is_in(list(branches)))
    return _calibrated(rows, clips, branches, plugins)


def _calibrated(
    scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins
) -> pl.DataFrame:
    scores = scores.join(clips.select("clip", "sha256"), on="clip", validate="m:1")
    parts = []
    for (machine, section, name), cell in scores.group_by("machine", "section", "branch", maintain_order=True):
        branch = branches[str(name)]
        where = f"branch {name!r}, {machine} section {section}"
        with located(where), warned(where):
            normals, _, domain = _by_reference(cell.filter(pl.col("role") == "oof"))
            normalizer = build("normalizer", branch.normalizer.name, branch.normalizer.parameters, plugins)
            with blamed("normalizer", branch.normalizer.name):
                fitted = normalizer.fit(normals, domain)
                for rows in _at_once(cell):
                    values, names, _ = _by_reference(rows)
                    z = _checked(fitted.transform(values), len(names), branch.normalizer.name)
                    parts.append(names.with_columns(branch=pl.lit(name), z=z))
    return pl.concat(parts)


def _at_once(cell: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the train normals' rows, and the test clips' of each model: each a clip once for every reference."""
    test = cell.filter(pl.col("role") == "test")
    return [cell.filter(pl.col("role") == "oof"), *test.partition_by("fold", maintain_order=True)]


def _by_reference(rows: pl.DataFrame) -> tuple[dict[str, NDArray[np.float64]], pl.DataFrame, NDArray[np.str_]]:
    """Return ({reference: scores (n,)}, clip, role and fold (n,), domain (n,)), in the order of audio digests."""
    rows = rows.sort("sha256", "clip")
    by_reference = {str(key[0]): part for key, part in rows.group_by("reference", maintain_order=True)}
    first = next(iter(by_reference.values()))
    scores = {reference: part["score"].to_numpy(writable=True) for reference, part in sorted(by_reference.items())}
    return scores, first.select("clip", "role", "fold"), first["domain"].to_numpy().astype(np.str_)


def _checked(z: NDArray[np.float64], n: int, normalizer: str) -> NDArray[np.float64]:
    z = np.asarray(z, dtype=np.float64)
    if z.shape != (n,):
        raise PluginError(f"normalizer {normalizer!r} gave z {z.shape} for {n} clips; ({n},) is the contract.")
    if not np.isfinite(z).all():
        raise DataError(f"normalizer {normalizer!r} gave {int((~np.isfinite(z)).sum())} values that are not finite")
    return z
