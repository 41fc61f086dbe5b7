"""Reads from the clip index how train normals lie in time, and by what they are left out together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.errors import DataError
from asdcore.portfolio import OutOfFold
from asdcore.store.tables import CELL

INSTEAD = {"recording": "recordings", "neighbours": "neighbours", "clip": "single clips"}
Manner = Literal["clip", "neighbours", "recording", "attribute"]


@dataclass(frozen=True)
class Places:
    """The places of the train normals of one machine and section, clip after clip in the order of their names.

    Attributes
    ----------
    domain : tuple of str
        "source" or "target".
    order : tuple of int, or None
        The place of each clip within its domain, 0 first; None if it is unknown.
    group : tuple of int, or None
        The groups that are left out whole, by recording or attribute, as numbers.
    manner : {"clip", "neighbours", "recording", "attribute"}
        By what clips are left out.
    range : int or None
        Neighbours on either side, if the portfolio sets it.

    """

    domain: tuple[str, ...]
    order: tuple[int, ...] | None = None
    group: tuple[int, ...] | None = None
    manner: Manner = "clip"
    range: int | None = None

    @property
    def measured(self) -> bool:
        """Whether the range of neighbours has to be read from features."""
        return self.manner == "neighbours" and self.range is None

    @property
    def recipe(self) -> dict[str, object]:
        """The part that can change a score: only the manner if each clip is left out alone."""
        alone = self.manner == "clip"
        details = {"order": self.order, "group": self.group, "range": self.range}
        return {"manner": self.manner, **({} if alone else details)}


def places(train: pl.DataFrame, choice: OutOfFold) -> Places:
    """Return the places of the train normals of one machine and section.

    train : rows of the clip index, sorted by clip. Raises DataError if the portfolio asks for a recording or an order
    that the data set does not name.
    """
    domain = tuple(map(str, train["domain"].to_list()))
    index = _Columns(train)
    asked, where = choice.by, f"{train['machine'][0]} section {train['section'][0]}" if len(train) else "no machine"
    if asked == "recording" and not index.recordings:
        raise DataError(f"{where}: {_lacking('recording', 'which recording its train clips were cut from')}")
    if asked == "neighbours" and not index.order:
        raise DataError(f"{where}: {_lacking('neighbours', 'in which order its train clips were recorded')}")
    order = _ranks(train) if index.order else None
    if asked == "attribute" and index.attributes:
        return Places(domain, order, _numbers(train, "attributes"), "attribute")
    if asked == "recording" or (asked in ("auto", "attribute") and index.recordings):
        return Places(domain, order, _numbers(train, "recording"), "recording")
    if asked != "clip" and index.order:
        return Places(domain, order, None, "neighbours", choice.range)
    return Places(domain, order)


def check_places(clips: pl.DataFrame, choice: OutOfFold) -> list[str]:
    """Return notes for the user on how train normals will be left out, before any work is done.

    clips : the clip index. Raises DataError if the portfolio asks for a recording or an order that the data set does
    not name.
    """
    train = clips.filter(pl.col("split") == "train").sort("clip")
    unordered, unnamed = [], []
    for (machine, section), cell in train.group_by(CELL, maintain_order=True):
        manner = places(cell, choice).manner
        where = f"{machine} section {section}"
        if choice.by == "auto" and manner == "clip":
            unordered.append(where)
        if choice.by == "attribute" and manner != "attribute":
            unnamed.append(f"{where}: {INSTEAD[manner]}")
    notes = []
    if unordered:
        notes.append(
            f"{_listed(unordered)}: the data set names neither order nor recording of train clips, so each is left out "
            "alone. If clips were cut from continuous recordings, thresholds are too low; the columns order and "
            "recording of clips.csv, or a dataset reader of your own, say which were."
        )
    if unnamed:
        notes.append(f"no train clip has attributes, so others are left out: {_listed(unnamed)}.")
    return notes


def _lacking(by: str, what: str) -> str:
    return (
        f"out_of_fold.by is {by!r}, but the data set does not say {what}. Set by = 'auto', which uses what the data "
        f"set does say, or let the dataset reader fill the column {'recording' if by == 'recording' else 'order'!r} of "
        "its clip index ('asdcore data index' shows both)."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


class _Columns:
    """Which columns of the clip index are filled for the train clips of a machine and section."""

    def __init__(self, train: pl.DataFrame) -> None:
        columns = set(train.columns)
        self.order = "order" in columns and bool(train["order"].is_not_null().all())
        self.recordings = "recording" in columns and bool(train["recording"].is_not_null().all())
        self.attributes = "attributes" in columns and bool(train["attributes"].is_not_null().any())


def _ranks(train: pl.DataFrame) -> tuple[int, ...]:
    """Return places within each domain; clips with the same order stand by their names.

    The clips of a recording stand together: orders may be seconds from the beginning of each.
    """
    order, clip = train["order"].to_numpy(), train["clip"]
    names = np.arange(len(train)) if clip.is_sorted() else clip.rank("ordinal").to_numpy()
    domain = np.unique(np.array(train["domain"].to_list(), dtype=np.str_), return_inverse=True)[1]
    recording, began = _recordings(train, order)
    rows, place = np.lexsort((names, order, recording, began, domain)), np.empty(len(train), dtype=np.intp)
    first = np.searchsorted(domain[rows], domain[rows])
    place[rows] = np.arange(len(rows)) - first
    return tuple(place.tolist())


def _recordings(train: pl.DataFrame, order: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return for each clip the number of its recording, and the order of the first clip of that; 0 if none is named."""
    if "recording" not in train.columns or train["recording"].null_count():
        return np.zeros(len(train), np.intp), np.zeros(len(train))
    recording = np.array(_numbers(train, "recording"), np.intp)
    began = np.full(len(train), np.inf)
    np.minimum.at(began, recording, order)
    return recording, began[recording]


def _numbers(train: pl.DataFrame, column: str) -> tuple[int, ...]:
    """Number the values of a column in the order of their names; a clip without one is a group of its own."""
    values = train[column].to_list()
    numbers = {value: number for number, value in enumerate(sorted({value for value in values if value is not None}))}
    alone = iter(range(len(numbers), len(numbers) + len(values)))
    return tuple(numbers[value] if value is not None else next(alone) for value in values)


def as_domains(given: Places) -> dict[str, NDArray[np.intp]]:
    """Return the rows of each domain, in order if the order is known."""
    domain, order = np.array(given.domain, dtype=np.str_), given.order
    rows_of = {str(name): np.flatnonzero(domain == name) for name in np.unique(domain)}
    if order is None:
        return rows_of
    return {name: rows[np.argsort(np.array(order)[rows], kind="stable")] for name, rows in rows_of.items()}
