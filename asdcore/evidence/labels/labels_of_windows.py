"""Gives every window the label of the recording, or of the part of one, that it was cut from."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import polars as pl

from asdcore.basics.recording_parts import part_of, recording_name

_FOREVER = Decimal("Infinity")


def recordings(clips: pl.DataFrame) -> pl.DataFrame:
    """Return a clip index with one row for each recording, under the recording's name, instead of its windows."""
    return clips.with_columns(clip=pl.col("clip").map_elements(recording_name, pl.String)).unique(
        "clip", keep="first", maintain_order=True
    )


def spread(truth: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Return the ground truth of windows.

    Parameters
    ----------
    truth : polars.DataFrame
        clip, label and domain of recordings, or of parts of them that do not overlap; and perhaps ``recording``.
    clips : polars.DataFrame
        The clip index of windows.

    Returns
    -------
    polars.DataFrame
        The same columns of the test windows that lie within a clip of the truth.
    """
    labelled: dict[tuple[Any, ...], list[tuple[Decimal, Decimal, tuple[Any, ...]]]] = defaultdict(list)
    truth = truth.select("clip", pl.exclude("clip"))
    for clip, *labels in truth.rows():
        part = part_of(clip)
        start, end = part.seconds
        labelled[part.file, part.channel, part.rate].append((start, end or _FOREVER, tuple(labels)))
    rows = []
    for window in clips.filter(split="test")["clip"]:
        part = part_of(window)
        start, end = part.seconds
        rows += [
            (window, *labels)
            for begin, stop, labels in labelled[part.file, part.channel, part.rate]
            if begin <= start and (end or _FOREVER) <= stop
        ][:1]
    return pl.DataFrame(rows, schema=truth.schema, orient="row")
