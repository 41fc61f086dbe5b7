"""Lays the score rows of a branch out as arrays: cell by cell, train normals first, in the order of audio digests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.scoring.clip_order import ClipOrder, bounds_of, cells_of, models_of
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
    """One cell of a branch: its train normals, and its test clips by each model."""

    machine: str
    section: str
    normals: ByReference
    tested: list[ByReference]


@dataclass(frozen=True)
class OfBranch:
    """The cells of a branch, in the order in which they appear; clip, role and fold of all their clips in a row."""

    cells: list[CellRows]
    names: pl.DataFrame


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
    names: pl.DataFrame
    cells: list[tuple[tuple[str, str], list[_Part]]]


class Cells:
    """The cells of branches, one branch after the other; branches with the same clips are sorted once.

    order : the clips. Rows of others are left out.
    """

    def __init__(self, order: ClipOrder) -> None:
        self._order = order
        self._layouts: list[_Layout] = []

    def __call__(self, rows: pl.DataFrame) -> OfBranch:
        """Return the cells of one branch, from its rows of a score table."""
        # Columns taken by name are not copied, as those of a query are if they come in other pieces than the scores.
        layout = self._layout(rows[["clip", "machine", "section", "reference", "fold", "role", "domain"]])
        scores = rows["score"].to_numpy()[layout.order]
        laid = [(cell, [part.scored(scores) for part in parts]) for cell, parts in layout.cells]
        return OfBranch([CellRows(*cell, parts[0], parts[1:]) for cell, parts in laid], layout.names)

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
    part = part[ranked]
    rows: dict[int, dict[int, dict[str, slice]]] = {}
    for start, stop in bounds_of(part):
        which, number = divmod(int(part[start]), len(references))
        of_model = rows.setdefault(which // most, {}).setdefault(which % most, {})
        of_model[references[number]] = slice(start, stop)
    for number, of_cell in rows.items():
        if 0 not in of_cell:
            machine, section = cells[number]
            raise DataError(f"{machine} section {section}: no train normal has a score")
    return _Layout(named, ranked, *_named_parts(named, ranked, {cells[number]: rows[number] for number in rows}))


def _named_parts(
    named: pl.DataFrame, ranked: NDArray[np.intp], cells: dict[tuple[str, str], dict[int, dict[str, slice]]]
) -> tuple[pl.DataFrame, list[tuple[tuple[str, str], list[_Part]]]]:
    """Return the names of the clips of all cells, and machine, section and parts of each.

    cells : the places of sorted rows by reference, of each cell and model. Every reference has the same clips.
    """
    firsts = [next(iter(rows.values())) for of_cell in cells.values() for rows in of_cell.values()]
    taken = np.concatenate([ranked[rows] for rows in firsts]) if firsts else ranked
    names = named[["clip", "role", "fold"]].rechunk()[taken]
    laid, before = [], 0
    for cell, of_cell in cells.items():
        parts = []
        for model, rows in of_cell.items():
            first = next(iter(rows.values()))
            n = first.stop - first.start
            # Of test clips nobody asks for the domain.
            domain = named["domain"].gather(ranked[first] if model == 0 else []).to_numpy().astype(np.str_)
            parts.append(_Part(names[before : before + n], domain, rows))
            before += n
        laid.append((cell, parts))
    return names, laid


def by_reference(rows: pl.DataFrame) -> ByReference:
    """Lay the scores of the train normals of one cell and branch out; rows with their clips' ``sha256``."""
    (cell,) = Cells(ClipOrder(rows.select("clip", "sha256").unique()))(rows).cells
    return cell.normals
