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
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.portfolio import Branch
from asdcore.store.tables import CALIBRATED


def calibrate(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip and branch, out-of-fold rows included."""
    scores = scores.join(clips.select("clip", "sha256"), on="clip", validate="m:1")
    parts = []
    for (machine, section, name), cell in scores.group_by("machine", "section", "branch", maintain_order=True):
        branch = branches[str(name)]
        with located(f"branch {name!r}, {machine} section {section}"):
            normals, _, domain = _by_reference(cell, "oof")
            normalizer = build("normalizer", branch.normalizer.name, branch.normalizer.parameters, plugins)
            with blamed("normalizer", branch.normalizer.name):
                fitted = normalizer.fit(normals, domain)
                for role in ("oof", "test"):
                    values, names, _ = _by_reference(cell, role)
                    if len(names):
                        z = _checked(fitted.transform(values), len(names), branch.normalizer.name)
                        parts.append(names.to_frame().with_columns(branch=pl.lit(name), role=pl.lit(role), z=z))
    return CALIBRATED.check(pl.concat(parts))


def _by_reference(cell: pl.DataFrame, role: str) -> tuple[dict[str, NDArray[np.float64]], pl.Series, NDArray[np.str_]]:
    """Return ({reference: scores (n,)}, clips (n,), domain (n,)) of one role, in the order of audio digests."""
    rows = cell.filter(pl.col("role") == role).sort("sha256", "clip")
    by_reference = {str(key[0]): part for key, part in rows.group_by("reference", maintain_order=True)}
    if not by_reference:
        return {}, pl.Series("clip", [], pl.String), np.empty(0, dtype=np.str_)
    first = next(iter(by_reference.values()))
    scores = {reference: part["score"].to_numpy(writable=True) for reference, part in sorted(by_reference.items())}
    return scores, first["clip"], first["domain"].to_numpy().astype(np.str_)


def _checked(z: NDArray[np.float64], n: int, normalizer: str) -> NDArray[np.float64]:
    z = np.asarray(z, dtype=np.float64)
    if z.shape != (n,):
        raise PluginError(f"normalizer {normalizer!r} gave z {z.shape} for {n} clips; ({n},) is the contract.")
    if not np.isfinite(z).all():
        raise DataError(f"normalizer {normalizer!r} gave {int((~np.isfinite(z)).sum())} values that are not finite")
    return z
