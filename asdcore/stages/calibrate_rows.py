"""Lays the score rows of a branch out as arrays: cell by cell, train normals first, in the order of audio digests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.clip_order import ClipOrder, bounds_of, cells_of, models_of
from asdcore.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ByReference:
    """Clips of one cell, branch and role: scores (n,) by reference; clip, role, fold and domain (n,).

    Of test clips ``domain`` is empty.
    """

    scores: dict[str, Floats]
    names: pl.DataFrame
    domain: NDArray[np.str_]


@dataclass(frozen=True)
class CellRows:
    """One cell of a branch: its first row in the table, its train normals, and its test clips by each model."""

    first: int
    machine: str
    section: str
    normals: ByReference
    tested: list[ByReference]


@dataclass(frozen=True)
class _Part:
    """Clips of one role and model: their names and domains, and where their sorted rows lie by reference."""

    names: pl.DataFrame
    domain: NDArray[np.str_]
    rows: dict[str, slice]

    def scored(self, scores: Floats) -> ByReference:
        """Return these clips with their scores, of the sorted scores of all."""
        return ByReference({name: scores[where] for name, where in self.rows.items()}, self.names, self.domain)


@dataclass(frozen=True)
class _Layout:
    """How the rows of a branch are sorted: by cell, train normals before test clips, by reference and by digest."""

    named: pl.DataFrame
    order: NDArray[np.intp]
    cells: list[tuple[int, tuple[str, str], list[_Part]]]


class Cells:
    """The cells of branches, one branch after the other; branches with the same clips are sorted once.

    order : the clips. Rows of others are left out.
    """

    def __init__(self, order: ClipOrder) -> None:
        self._order = order
        self._layouts: list[_Layout] = []

    def __call__(self, rows: pl.DataFrame) -> Iterator[CellRows]:
        """Yield the cells of one branch, from its rows of a score table, in the order in which they appear.

        rows : with the number of each row, ``row``.
        """
        layout = self._layout(rows.select("clip", "machine", "section", "reference", "fold", "role", "domain"))
        scores = rows["score"].to_numpy()[layout.order]
        for first, (machine, section), parts in layout.cells:
            laid = [part.scored(scores) for part in parts]
            yield CellRows(rows["row"][first], machine, section, laid[0], laid[1:])

    def _layout(self, named: pl.DataFrame) -> _Layout:
        for layout in self._layouts:
            if layout.named.equals(named):
                return layout
        # Branches differ in their references at most, so few layouts are worth their memory.
        self._layouts = [_laid_out(named, self._order), *self._layouts[:2]]
        return self._layouts[0]


def _laid_out(named: pl.DataFrame, order: ClipOrder) -> _Layout:
    place = order.places(named["clip"])
    cell, cells = cells_of(named)
    references = named["reference"].unique().sort().to_list()
    reference = named["reference"].replace_strict(references, range(len(references)), return_dtype=pl.Int64).to_numpy()
    model = models_of(named)
    most = int(model.max(initial=0)) + 1
    part = (cell * most + model) * len(references) + reference
    ranked = np.argsort(part * len(order) + place)
    ranked = ranked[place[ranked] >= 0]
    part, sorted_names = part[ranked], named.select("clip", "role", "fold", "domain")
    parts: dict[int, dict[int, _Part]] = {}
    for start, stop in bounds_of(part):
        which, number = divmod(int(part[start]), len(references))
        of_cell = parts.setdefault(which // most, {})
        if which % most not in of_cell:
            names = sorted_names[ranked[start:stop]]
            # Of test clips nobody asks for the domain.
            domain = names["domain"] if which % most == 0 else names["domain"].clear()
            of_cell[which % most] = _Part(names, domain.to_numpy().astype(np.str_), {})
        of_cell[which % most].rows[references[number]] = slice(start, stop)
    firsts = np.unique(cell, return_index=True)[1].tolist()
    for number, of_cell in parts.items():
        if 0 not in of_cell:
            machine, section = cells[number]
            raise DataError(f"{machine} section {section}: no train normal has a score")
    laid = [
        (firsts[number], cells[number], [of_cell[model] for model in sorted(of_cell)])
        for number, of_cell in sorted(parts.items())
    ]
    return _Layout(named, ranked, laid)


def by_reference(rows: pl.DataFrame) -> ByReference:
    """Lay the scores of the train normals of one cell and branch out; rows with their clips' ``sha256``."""
    (cell,) = Cells(ClipOrder(rows.select("clip", "sha256").unique()))(rows.with_row_index("row"))
    return cell.normals
