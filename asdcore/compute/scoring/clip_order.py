"""Numbers clips and cells, so that tables of millions of rows are sorted and grouped by whole numbers, not by names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.store.tables import CELL, FULL

Whole = NDArray[np.int64]

DIGITS = 15
"""Hexadecimal digits that fit into 64 bits with a sign."""


class ClipOrder:
    """The order in which every part sees clips: by their audio digests, then by their names.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index, or some of its columns: clip and sha256 at least.

    Attributes
    ----------
    clips : polars.DataFrame
        The same rows, in order.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.compute.scoring.clip_order import ClipOrder
    >>> order = ClipOrder(pl.DataFrame({"clip": ["a", "b"], "sha256": ["ff", "00"]}))
    >>> order.places(pl.Series(["a", "a", "b", "unknown"])).tolist()
    [1, 1, 0, -1]
    """

    def __init__(self, clips: pl.DataFrame) -> None:
        self.clips = by_digest(clips)
        self._numbered = self.clips.select("clip").with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64))

    def __len__(self) -> int:
        return len(self.clips)

    def places(self, names: pl.Series) -> Whole:
        """Return the place (n,) of each name, -1 for a name that is not in the clip index."""
        column = names.to_frame("clip")
        numbered = column.join(self._numbered, on="clip", how="left", validate="m:1", maintain_order="left")
        return numbered["place"].fill_null(-1).to_numpy()


class BranchRows:
    """The rows of a table by branch. Rows that stand together are not copied.

    Parameters
    ----------
    table : polars.DataFrame
        A table with the column branch.

    Attributes
    ----------
    names : list of str
        The branches, in the order in which they appear.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.compute.scoring.clip_order import BranchRows
    >>> rows = BranchRows(pl.DataFrame({"branch": ["b", "b", "a"], "z": [1.0, 2.0, 3.0]}))
    >>> rows.names, rows["b"]["z"].to_list()
    (['b', 'a'], [1.0, 2.0])
    """

    def __init__(self, table: pl.DataFrame) -> None:
        starts = _starts(table, ["branch"])
        appearing = table["branch"].gather(starts).to_list()
        self.names = list(dict.fromkeys(appearing))
        self._table = table
        self._bounds = {}
        if len(self.names) == len(appearing):
            self._bounds = dict(
                zip(appearing, zip(starts, np.diff(starts, append=len(table)), strict=True), strict=True)
            )

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name in self._bounds:
            start, length = self._bounds[name]
            return self._table.slice(int(start), int(length))
        return self._table.filter(pl.col("branch") == name)


def cells_of(rows: pl.DataFrame) -> tuple[Whole, list[tuple[str, str]]]:
    """Number the cells of rows with machine and section, in the order in which they appear.

    Returns
    -------
    numbers : ndarray of int64, shape (n_rows,)
        The number of each row's cell.
    cells : list of (str, str)
        Machine and section by number.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.compute.scoring.clip_order import cells_of
    >>> numbers, cells = cells_of(pl.DataFrame({"machine": ["fan", "fan", "gear", "fan"], "section": "00"}))
    >>> numbers.tolist(), cells
    ([0, 0, 1, 0], [('fan', '00'), ('gear', '00')])
    """
    names = list(CELL)
    starts = _starts(rows, names)
    # Rows of one cell mostly stand together, so few of them have to be looked up.
    runs = rows.select(pl.col(names).gather(starts))
    cells = runs.unique(maintain_order=True).with_columns(number=pl.int_range(pl.len(), dtype=pl.Int64))
    numbers = runs.join(cells, on=names, how="left", validate="m:1", maintain_order="left")["number"].to_numpy()
    return np.repeat(numbers, np.diff(starts, append=len(rows))), cells.select(names).rows()


def models_of(rows: pl.DataFrame) -> Whole:
    """Number the models of rows with role and fold: 0 (n,) for train normals, whichever model scored them.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.compute.scoring.clip_order import models_of
    >>> models_of(pl.DataFrame({"role": ["oof", "test", "test"], "fold": [3, -1, 0]})).tolist()
    [0, 1, 2]
    """
    fold = rows["fold"].to_numpy().astype(np.int64)
    return np.where((rows["role"] == "oof").to_numpy(), 0, fold - FULL + 1)


def bounds_of(numbers: Whole) -> list[tuple[int, int]]:
    """Return where each run of equal numbers starts and ends.

    Examples
    --------
    >>> import numpy as np
    >>> from asdcore.compute.scoring.clip_order import bounds_of
    >>> bounds_of(np.array([4, 4, 7]))
    [(0, 2), (2, 3)]
    """
    if not len(numbers):
        return []
    inner = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
    return list(zip([0, *inner], [*inner, len(numbers)], strict=True))


def clips_of_cells(clips: pl.DataFrame) -> list[tuple[tuple[str, str], pl.DataFrame, pl.DataFrame]]:
    """Return machine and section, train clips and test clips of every cell, in the order in which cells appear.

    Train clips come by name, as in other tools, and test clips by audio digest, since names may spell a label. All are
    sorted at once: to ask for each cell would read the clip index as often as there are machines.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.compute.scoring.clip_order import clips_of_cells
    >>> clips = {"clip": ["b", "a", "d", "c"], "split": ["train", "train", "test", "test"]}
    >>> digests = {"sha256": ["00", "11", "22", "33"]}
    >>> [(name, train, test)] = clips_of_cells(pl.DataFrame({**clips, **digests, "machine": "fan", "section": "00"}))
    >>> name, train["clip"].to_list(), test["clip"].to_list()
    (('fan', '00'), ['a', 'b'], ['d', 'c'])
    """
    numbers, cells = cells_of(clips)
    numbered = clips.with_columns(cell_number=pl.Series(numbers, dtype=pl.Int64))
    train, test = (numbered.filter(pl.col("split") == split) for split in ("train", "test"))
    parts = (_cut(rows, len(cells)) for rows in (train.sort("clip"), by_digest(test)))
    return [(cell, *of_cell) for cell, *of_cell in zip(cells, *parts, strict=True)]


def _cut(rows: pl.DataFrame, n_cells: int) -> list[pl.DataFrame]:
    """Return the rows of each cell, in their order."""
    number = rows["cell_number"].to_numpy()
    ranked = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[ranked], np.arange(n_cells + 1)).tolist()
    together = rows.drop("cell_number")[ranked]
    return [together[start:stop] for start, stop in pairwise(bounds)]


def _starts(table: pl.DataFrame, columns: Sequence[str]) -> Whole:
    """Return the numbers of the rows that differ from the row before. A column in pieces is not copied together."""
    changes = np.zeros(len(table), np.bool_)
    changes[:1] = True
    for name in columns:
        start, before = 0, None
        for piece in table[name].get_chunks():
            n = len(piece)
            if n:
                changes[start] |= piece[0] != before
                changes[start + 1 : start + n] |= piece.slice(1).ne_missing(piece.slice(0, n - 1)).to_numpy()
                start, before = start + n, piece[-1]
    return np.flatnonzero(changes).astype(np.int64)


def by_digest(clips: pl.DataFrame) -> pl.DataFrame:
    """Sort clips by their audio digests, and clips of the same audio by name.

    Numbers are sorted in a tenth of the time of texts, and of a million digests the first digits differ as a rule. Rows
    are taken from one piece in a fiftieth of the time that they take from several, and their texts are not copied.
    """
    clips = clips.rechunk()
    digests = clips["sha256"]
    if not digests.null_count() and digests.str.contains(f"^[0-9a-f]{{{DIGITS}}}").all():
        first = digests.str.slice(0, DIGITS).str.to_integer(base=16)
        ranked = first.arg_sort()
        if (np.diff(first.gather(ranked).to_numpy()) > 0).all():
            return clips[ranked]
    return clips.sort("sha256", "clip")
