"""Checks the columns ``order`` and ``recording`` of the clip index: which train clips were cut side by side.

Clips of one recording are near-duplicates of one another, so a train normal must be scored without its neighbours
(:mod:`asdcore.held_out`). ``order`` sorts the train clips of one machine, section and domain as they were recorded: an
index, or a time; only which clip comes before which counts. ``recording`` names the file or session that a clip was cut
from. Either may be unknown, but then for all train clips of a machine, section and domain.

Test clips keep neither. The names of development test files spell the label, and a recording may be named after a
fault. The only use made of a test clip's recording is to detect that it is in both splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from asdcore.basics.parse import is_number

SAID_OF_TRAIN: dict[str, type[pl.DataType]] = {"order": pl.Float64, "recording": pl.String}
"""The two columns, and their types."""

_PLACE = ("clip", "machine", "section", "split", "domain")

Columns = Mapping[str, list[Any]] | pl.DataFrame
"""Columns of the clip index as a reader gives them, of whatever kinds."""

MORE = 2
"""Clips that a problem names as examples."""


def said_of_train(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return order and recording of a row of the clip index as the index keeps them: null for a test clip."""
    if row.get("split") != "train":
        return dict.fromkeys(SAID_OF_TRAIN)
    order, recording = row.get("order"), row.get("recording")
    return {
        "order": float(order) if order is not None and is_number(order) else None,
        "recording": recording if isinstance(recording, str) else None,
    }


def kept_of_train(given: Columns) -> tuple[pl.DataFrame, list[str]]:
    """Return order and recording of all clips as the index keeps them, null for test clips, and what is wrong.

    given : the columns of the clip index, as a reader gives them.
    """
    if (frame := _typed(given)) is not None and _is_sound(frame):
        is_train = (pl.col("split") == "train").fill_null(False)
        return frame.select(pl.when(is_train).then(pl.col(name)).alias(name) for name in SAID_OF_TRAIN), []
    columns = _listed(given)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return pl.DataFrame([said_of_train(row) for row in rows], schema=SAID_OF_TRAIN), recording_problems(rows)


def _listed(given: Columns) -> dict[str, list[Any]]:
    columns = given.to_dict(as_series=False) if isinstance(given, pl.DataFrame) else given
    return {name: columns.get(name, [None] * len(columns["clip"])) for name in (*_PLACE, *SAID_OF_TRAIN)}


def _typed(given: Columns) -> pl.DataFrame | None:
    """Return columns of the right types as a frame, None if a value is of another."""
    schema: dict[str, type[pl.DataType]] = {**dict.fromkeys(_PLACE, pl.String), **SAID_OF_TRAIN}
    if isinstance(given, pl.DataFrame):
        kinds = given.select(name for name in schema if name in given.columns).schema
        if not all(
            kind in (schema[name], pl.Null) or (name == "order" and kind.is_numeric()) for name, kind in kinds.items()
        ):
            return None
        absent = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in kinds]
        return given.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in schema.items())
    columns = _listed(given)
    text, number = {str, type(None)}, {int, float, type(None)}
    if any(not set(map(type, values)) <= (number if name == "order" else text) for name, values in columns.items()):
        return None
    try:
        return pl.DataFrame(columns, schema=schema, strict=False)
    except (OverflowError, pl.exceptions.PolarsError):  # of a number that float64 does not hold
        return None


def _is_sound(frame: pl.DataFrame) -> bool:
    """Whether there is nothing to say of the columns of a whole index: then no row needs a look of its own."""
    blank = pl.col("recording").str.strip_chars() == ""
    if frame.select((blank | ~pl.col("order").is_finite()).any()).item():
        return False
    train = frame.filter(pl.col("split") == "train").group_by("machine", "section", "domain")
    partly = (pl.col(name).null_count().is_between(1, pl.len() - 1) for name in SAID_OF_TRAIN)
    if train.agg(pl.any_horizontal(*partly).alias("partly"))["partly"].any():
        return False
    named = frame.drop_nulls("recording").group_by("machine", "section", "recording")
    return not named.agg(pl.col("split").n_unique().alias("splits")).select((pl.col("splits") > 1).any()).item()


def recording_problems(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Find invalid orders and recordings, columns that only some clips have, and recordings in both splits.

    rows : of the clip index, as a reader gives them.
    """
    rows = list(rows)
    return list(_bad_values(rows)) or [*_partly_known(rows), *_leaks(rows)]


def _bad_values(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """Find values that are neither null nor of their column's kind: a line for each machine, section and column."""
    fits = {
        "order": (is_number, "a number (an index, or a time in seconds)"),
        "recording": (lambda value: isinstance(value, str) and bool(value.strip()), "a name"),
    }
    wrong: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        for column, (fit, _) in fits.items():
            if row.get(column) is not None and not fit(row[column]):
                wrong[row.get("machine"), row.get("section"), column].append(row)
    for (machine, section, column), bad in wrong.items():
        first = min(bad, key=lambda row: str(row.get("clip")))
        yield (
            f"{first.get('clip')}: its {column} is {first[column]!r}, it must be {fits[column][1]}, or null if it is "
            f"unknown ({_plural(len(bad))} of {machine} section {section})"
        )


def _plural(clips: int) -> str:
    return f"{clips} clip{'s' * (clips > 1)}"


def _partly_known(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """Find a column that some train clips of a machine, section and domain have, and others lack."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.get("split") == "train":
            cells[row.get("machine"), row.get("section"), row.get("domain")].append(row)
    for (machine, section, domain), cell in cells.items():
        for column in SAID_OF_TRAIN:
            lacking = sorted(str(row.get("clip")) for row in cell if row.get(column) is None)
            if lacking and len(lacking) < len(cell):
                yield (
                    f"{machine} section {section}: {len(lacking)} of {len(cell)} {domain} train clips have no {column} "
                    f"({_some(lacking)}), the others have one; give it for all of them or for none"
                )


def _leaks(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """Find recordings from which both train and test clips were cut."""
    cut: dict[tuple[Any, ...], dict[Any, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.get("recording") is not None:
            place = row.get("machine"), row.get("section"), row.get("recording")
            cut[place][row.get("split")].append(str(row.get("clip")))
    for (machine, section, recording), splits in cut.items():
        if {"train", "test"} <= set(splits):
            yield (
                f"{machine} section {section}: a leak, the recording {recording!r} is cut across the split: "
                f"{_some(splits['train'])} of it are train clips, {_some(splits['test'])} test clips; keep all of a "
                "recording on one side, or give stretches that lie far apart different names in the column 'recording'"
            )


def _some(clips: list[str]) -> str:
    """Name the first clips, and how many more there are."""
    clips = sorted(clips)
    return ", ".join(clips[:MORE]) + (f" and {len(clips) - MORE} more" if len(clips) > MORE else "")
