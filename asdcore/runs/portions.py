"""Reads the tables of a run a portion of clips at a time, so that memory does not grow with the clips.

A table whose file is not as a run leaves it is read whole, which says what is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from asdcore.errors import StoreError
from asdcore.runs.folder import TABLES, Run
from asdcore.store import ordered_tables
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import CELL, Table

Beside = tuple[pl.DataFrame, dict[str, pl.DataFrame]]
"""A portion of the clip index, and the rows of its clips in other tables."""


@dataclass(frozen=True)
class TablePortions:
    """The tables of a finished run, by clip.

    Parameters
    ----------
    run : Run
        The run. Tables that it holds in memory are taken from there.

    Examples
    --------
    >>> import polars as pl
    >>> from pathlib import Path
    >>> from asdcore.runs.folder import Run
    >>> from asdcore.runs.portions import TablePortions
    >>> clips = pl.DataFrame({"clip": ["b.wav", "a.wav"], "machine": "fan", "section": "00"})
    >>> tables = TablePortions(Run.held(Path("run"), {}, {"clips": clips}))
    >>> [portion["clip"].to_list() for portion in tables.portions("clips")], tables.clips_of_cell
    ([['a.wav', 'b.wav']], {('fan', '00'): 2})
    """

    run: Run
    _written: dict[str, tuple[int, int, int]] = field(default_factory=dict, repr=False)
    """What tells that a table's file is the one whose digest was taken."""

    def digest(self, name: str) -> str:
        """Return the content digest of a table, which was checked; raises StoreError as reading it whole does."""
        if name in vars(self.run):
            return table_digest(getattr(self.run, name), TABLES[name].key)
        if name in self._written:
            self._check_same(name)
            return str(self.run.about["tables"][name])
        before = self._facts(name)
        digest = ordered_tables.ordered_digest(TABLES[name], self.run.path_of(name))
        if digest is None:
            return table_digest(getattr(self.run, name), TABLES[name].key)
        self.run.check_table(name, digest, self._systems(name))
        self._written[name] = before
        return digest

    def portions(self, name: str) -> Iterator[pl.DataFrame]:
        """Yield a table in portions, its rows in the order of its key.

        Raises StoreError if its file is another than the one whose digest was taken.
        """
        if name not in self._written and name not in vars(self.run):
            self.digest(name)
        if name in vars(self.run):
            yield from getattr(self.run, name).sort(TABLES[name].key).iter_slices(ordered_tables.PORTION)
            return
        yield from ordered_tables.portions(self.run.path_of(name))
        self._check_same(name)

    def beside(self, *names: str) -> Iterator[Beside]:
        """Yield portions of the clip index, each with the rows of its clips in other tables.

        At the end comes an empty one with the rows of clips that the index does not have.
        """
        tables = {name: _ByClip(self.portions(name), TABLES[name]) for name in names}
        clips = None
        for clips in self.portions("clips"):
            last = clips["clip"][-1]
            yield clips, {name: table.up_to(last) for name, table in tables.items()}
        if clips is not None:
            yield clips.clear(), {name: table.up_to(None) for name, table in tables.items()}

    def whole_cells(
        self, name: str, chosen: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows
    ) -> Iterator[pl.DataFrame]:
        """Yield rows of a table, those of one machine and section always together, as soon as all have been read.

        chosen : returns those rows and columns of a portion that are kept; machine and section are among them. The
        names of a machine's clips mostly begin alike, so that few rows wait.
        """
        waiting: dict[tuple[str, ...], list[pl.DataFrame]] = {}
        missing = Counter(self.clips_of_cell)
        for clips, rows in self.beside(*({name} - {"clips"})):
            for cell, of_cell in chosen(rows.get(name, clips)).partition_by(*CELL, as_dict=True).items():
                waiting.setdefault(cell, []).append(of_cell)
            missing.subtract(_sizes(clips))
            whole = [cell for cell in waiting if missing[cell] <= 0]
            if whole:
                yield pl.concat([part for cell in whole for part in waiting.pop(cell)])

    @cached_property
    def clips_of_cell(self) -> dict[tuple[str, ...], int]:
        """{(machine, section): how many clips it has}."""
        sizes = Counter[tuple[str, ...]]()
        for clips in self.portions("clips"):
            sizes.update(_sizes(clips))
        return dict(sizes)

    @property
    def n_clips(self) -> int:
        """How many clips there are."""
        return sum(self.clips_of_cell.values())

    def _systems(self, name: str) -> set[str]:
        """Return the systems that a table has rows of."""
        if "system" not in TABLES[name].columns:
            return set()
        portions = ordered_tables.portions(self.run.path_of(name), ["system"])
        return {system for portion in portions for system in portion["system"].unique()}

    def _check_same(self, name: str) -> None:
        """Raise StoreError if a table's file is another than the one whose digest was taken."""
        if self._facts(name) != self._written[name]:
            raise StoreError(f"{self.run.path_of(name)} was written while it was read. Give the command again.")

    def _facts(self, name: str) -> tuple[int, int, int]:
        """Return the inode, size and time of change of a table's file; zeros if there is none."""
        try:
            facts = self.run.path_of(name).stat()
        except OSError:
            return 0, 0, 0
        return facts.st_ino, facts.st_size, facts.st_mtime_ns


class _ByClip:
    """A table that is read along the clip index: every row is handed out once."""

    def __init__(self, portions: Iterator[pl.DataFrame], table: Table) -> None:
        self._portions = portions
        self._held = next(portions, pl.DataFrame(schema=table.columns))

    def up_to(self, last: str | None) -> pl.DataFrame:
        """Return the rows of clips up to ``last``, of all if it is None, that were not returned before."""
        taken = []
        while last is None or not len(self._held) or self._held["clip"][-1] <= last:
            taken.append(self._held)
            portion = next(self._portions, None)
            if portion is None:
                self._held = self._held.clear()
                return pl.concat(taken)
            self._held = portion
        place = self._held["clip"].search_sorted(last, side="right")
        taken.append(self._held[:place])
        self._held = self._held[place:]
        return pl.concat(taken)


def _sizes(clips: pl.DataFrame) -> dict[tuple[str, ...], int]:
    return {(machine, section): n for machine, section, n in clips.group_by(*CELL).len().rows()}
