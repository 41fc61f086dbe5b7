"""Lays calibrated scores out as arrays: cell by cell, the train normals and the test clips by each model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.scoring.clip_order import BranchRows, ClipOrder, Whole, bounds_of, cells_of, models_of
from asdcore.store.tables import FULL

Floats = NDArray[np.float64]
OOF = "oof"


@dataclass(frozen=True)
class Cell:
    """Clips of one machine and section: clips (n,), domain (n,) and z of every branch (n,)."""

    clips: pl.Series
    domain: NDArray[np.str_]
    z: dict[str, Floats]


Cells = dict[str, Cell]
"""The train normals, named "oof", and the test clips: once, or once for each model of a mirror."""


def cells_in_order(calibrated: pl.DataFrame, clips: pl.DataFrame) -> Iterator[tuple[tuple[str, str], Cells]]:
    """Yield machine and section of every cell with its clips, in the order in which cells appear.

    calibrated : clip, branch, role, fold and z. clips : the clip index.
    """
    numbers, names = cells_of(clips)
    order = ClipOrder(clips.select("clip", "domain", "sha256").with_columns(cell=pl.Series(numbers)))
    cell = order.clips["cell"].to_numpy()
    models = int(calibrated["fold"].to_numpy().max(initial=FULL)) - FULL + 2
    keys, z, appearing = _columns(calibrated, order, cell * models)
    part, place = np.divmod(keys, max(1, len(order)))
    cells: dict[int, Cells] = {}
    for start, stop in bounds_of(part):
        number, model = divmod(int(part[start]), models)
        rows = order.clips.select("clip", "domain")[place[start:stop]]
        domain = rows["domain"].fill_null("").to_numpy().astype(np.str_)
        of_branches = {branch: column[start:stop] for branch, column in z.items()}
        name = f"test {model + FULL - 1}" if model else OOF
        cells.setdefault(number, {})[name] = Cell(rows["clip"], domain, of_branches)
    for first in appearing:
        yield names[first // models], cells[first // models]


@dataclass(frozen=True)
class _Keys:
    """The rows of a branch by name, their order, and the key of each, sorted: it says cell, model and place."""

    named: pl.DataFrame
    rows: NDArray[np.intp]
    sorted: Whole


def _columns(
    calibrated: pl.DataFrame, order: ClipOrder, cell: Whole
) -> tuple[Whole, dict[str, Floats], dict[int, None]]:
    """Return the keys of all rows, sorted, z of every branch at each key, and the cells as they appear.

    cell : of each place, the number of its cell, times how many models there are.
    """
    by_branch, appearing = BranchRows(calibrated), dict[int, None]()
    keys: dict[str, Whole] = {}
    z: dict[str, Floats] = {}
    last = None
    for branch in sorted(by_branch.names):
        rows = by_branch[branch]
        named = rows.select("clip", "role", "fold")
        # Branch after branch has the same clips in the same order: they are sorted once.
        if last is None or not named.equals(last.named):
            place = order.places(named["clip"])
            every = (cell[place] + models_of(named)) * len(order) + place
            ranked = np.argsort(every)
            ranked = ranked[place[ranked] >= 0]
            last = _Keys(named, ranked, every[ranked])
            appearing |= dict.fromkeys(pl.Series(cell[place[place >= 0]]).unique(maintain_order=True).to_list())
        keys[branch], z[branch] = last.sorted, rows["z"].to_numpy()[last.rows]
    return *_joined(keys, z), appearing


def _joined(keys: dict[str, Whole], z: dict[str, Floats]) -> tuple[Whole, dict[str, Floats]]:
    """Return the keys of all branches, sorted, and z of every branch at each: NaN for a row that a branch lacks."""
    first, *others = keys.values()
    if all(other is first or np.array_equal(other, first) for other in others):
        return first, z
    every = np.unique(np.concatenate([first, *others]))
    wide = {branch: np.full(len(every), np.nan) for branch in keys}
    for branch, of_branch in keys.items():
        wide[branch][np.searchsorted(every, of_branch)] = z[branch]
    return every, wide
