"""Where the train normals of one machine and section lie, and by what they are to be left out together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.errors import DataError
from asdcore.portfolio import OutOfFold

CELL = ("machine", "section")
INSTEAD = {"recording": "recordings", "neighbours": "neighbours", "clip": "single clips"}
Manner = Literal["clip", "neighbours", "recording", "attribute"]


@dataclass(frozen=True)
class Places:
    """What is known of the train normals of one machine and section, clip after clip in the order of their names.

    domain : "source" or "target". order : the place of each within its domain, 0 first, or None where it is unknown.
    group : numbers of the groups that are left out whole, by recording or attribute, or None. manner : by what clips
    are left out. range : of neighbours, where the portfolio says it.
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
        """What of it can change a score: nothing, where each clip is left out alone."""
        alone = self.manner == "clip"
        known = {"order": self.order, "group": self.group, "range": self.range}
        return {"manner": self.manner, **({} if alone else known)}


def places(train: pl.DataFrame, choice: OutOfFold) -> Places:
    """Return the places of the train normals of one machine and section: rows of the clip index, sorted by clip.

    Raises DataError where the portfolio asks for what the data set does not say.
    """
    domain = tuple(str(one) for one in train["domain"])
    known = _Known(train)
    asked, where = choice.by, f"{train['machine'][0]} section {train['section'][0]}" if len(train) else "no machine"
    if asked == "recording" and not known.recordings:
        raise DataError(f"{where}: {_lacking('recording', 'which recording its train clips were cut from')}")
    if asked == "neighbours" and not known.order:
        raise DataError(f"{where}: {_lacking('neighbours', 'in which order its train clips were recorded')}")
    order = _ranks(train) if known.order else None
    if asked == "attribute" and known.attributes:
        return Places(domain, order, _numbers(train, "attributes"), "attribute")
    if asked == "recording" or (asked in ("auto", "attribute") and known.recordings):
        return Places(domain, order, _numbers(train, "recording"), "recording")
    if asked != "clip" and known.order:
        return Places(domain, order, None, "neighbours", choice.range)
    return Places(domain, order)


def check_places(clips: pl.DataFrame, choice: OutOfFold) -> list[str]:
    """Return what a person should know of how train normals will be left out, before any work is done.

    clips : the clip index. Raises DataError where the portfolio asks for what the data set does not say.
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
            f"{_listed(unordered)}: the data set says neither order nor recording of train clips, so each is left out "
            "alone. If clips were cut from continuous recordings, thresholds are too low; the dataset reader can give "
            "'order' or 'recording'."
        )
    if unnamed:
        notes.append(f"no train clip has attributes, so others are left out: {_listed(unnamed)}.")
    return notes


def _lacking(by: str, what: str) -> str:
    return (
        f"out_of_fold.by is {by!r}, but the data set does not say {what}. Say by = 'auto', which takes what is known, "
        "or give the dataset reader's clip index the column "
        f"{'recording' if by == 'recording' else 'order'!r} ('asdcore data index' shows both)."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


class _Known:
    """What a data set says of all train clips of a machine and section."""

    def __init__(self, train: pl.DataFrame) -> None:
        columns = set(train.columns)
        self.order = "order" in columns and bool(train["order"].is_not_null().all())
        self.recordings = "recording" in columns and bool(train["recording"].is_not_null().all())
        self.attributes = "attributes" in columns and bool(train["attributes"].is_not_null().any())


def _ranks(train: pl.DataFrame) -> tuple[int, ...]:
    """Return places within each domain; clips with the same order stand by their names."""
    rows = train.select("clip", "domain", "order").with_row_index("row").sort("domain", "order", "clip")
    rows = rows.with_columns(place=pl.int_range(pl.len()).over("domain"))
    return tuple(rows.sort("row")["place"].to_list())


def _numbers(train: pl.DataFrame, column: str) -> tuple[int, ...]:
    """Number the values of a column in the order of their names; a clip without one is a group of its own."""
    values = train[column].to_list()
    known = {value: number for number, value in enumerate(sorted({value for value in values if value is not None}))}
    alone = iter(range(len(known), len(known) + len(values)))
    return tuple(known[value] if value is not None else next(alone) for value in values)


def as_domains(known: Places) -> dict[str, NDArray[np.intp]]:
    """Return the rows of each domain, in order where it is known."""
    domain, order = np.array(known.domain, dtype=np.str_), known.order
    rows = {str(one): np.flatnonzero(domain == one) for one in np.unique(domain)}
    if order is None:
        return rows
    return {one: some[np.argsort(np.array(order)[some], kind="stable")] for one, some in rows.items()}
