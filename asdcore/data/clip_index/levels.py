"""Tells recordings with another gain: new ones whose level lies far from that of all train normals.

A recorder that is set anew, a microphone that was moved or files that are scaled otherwise change the level of all
recordings alike. What a gain does to scores depends on encoder and scorer (docs/recordings.md, Gain), and no score says
that it was a gain. So a run keeps the range of its train normals' levels, and new recordings are compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from asdcore.basics.digits import fixed
from asdcore.basics.recording_parts import recording_name

FAR = 6.0
"""dB beyond the softest or the loudest train normal, twice or half its amplitude, from which on it is told."""

LEVELS = ("clips", "softest", "median", "loudest")

ASK = (
    "Such a step is seldom the machine: see whether the recorder's gain, the microphone's place or the scaling of the "
    "files is another before you trust a score. What a gain does to scores: docs/recordings.md, Gain."
)


def levels_of(clips: pl.DataFrame, levels: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the levels of the train normals of every machine and section.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index.
    levels : mapping of str to float
        {clip: its level in dB of full scale}, of clips of which it is known. A window without one has that of its
        recording.

    Returns
    -------
    list of dict
        machine, section, clips (how many are known), and the softest, the median and the loudest level.

    Examples
    --------
    >>> clips = pl.DataFrame({"clip": ["a", "b"], "machine": "fan", "section": "00", "split": "train"})
    >>> levels_of(clips, {"a": -20.0, "b": -18.0})[0]["loudest"]
    -18.0
    """
    rows = []
    for machine, section, of_cell in _cells(clips, "train"):
        if normals := _levels(of_cell, levels):
            figures = (len(normals), min(normals), round(_median(normals), 2), max(normals))
            rows.append({"machine": machine, "section": section, **dict(zip(LEVELS, figures, strict=True))})
    return rows


def remarks_on_levels(
    clips: pl.DataFrame, levels: Mapping[str, float], normal: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the machines and sections whose test clips are far louder or softer than train normals.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index.
    levels : mapping of str to float
        {clip: its level in dB of full scale}, as of :func:`levels_of`.
    normal : iterable of mapping
        Of train normals, as :func:`levels_of` returns it.
    """
    ranges = {(row["machine"], row["section"]): row for row in normal}
    for machine, section, of_cell in _cells(clips, "test"):
        heard = _levels(of_cell, levels)
        normals = ranges.get((machine, section))
        if normals and (line := level_note(f"{machine} section {section}", "test clip", heard, normals)):
            yield line


def level_note(where: str, what: str, heard: list[float], normal: Mapping[str, Any]) -> str:
    """Return what to know of the level of new clips, "" if it is near that of train normals.

    Parameters
    ----------
    where, what : str
        The machine and section, and what a new clip is called.
    heard : list of float
        The levels of new clips in dB of full scale. Their median counts: some may hold a fault.
    normal : mapping
        A row of :func:`levels_of`.
    """
    if not heard:
        return ""
    middle = _median(heard)
    above, below = middle - normal["loudest"], normal["softest"] - middle
    if max(above, below) < FAR:
        return ""
    beyond = f"{fixed(above, 1)} dB above the loudest" if above > 0 else f"{fixed(below, 1)} dB below the softest"
    of = f"the {what} has" if len(heard) == 1 else f"{len(heard)} {what}s have, as their median,"
    return (
        f"{where}: {of} {fixed(middle, 1)} dB of full scale, {beyond} of {normal['clips']} train clips "
        f"({fixed(normal['softest'], 1)} to {fixed(normal['loudest'], 1)} dB). {ASK}"
    )


def _cells(clips: pl.DataFrame, split: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield every machine and section, and the names of its clips of a split."""
    of_split = clips.filter(pl.col("split") == split)
    yield from of_split.group_by("machine", "section", maintain_order=True).agg("clip").iter_rows()


def _levels(clips: list[str], levels: Mapping[str, float]) -> list[float]:
    """Return the levels of those clips of which, or of whose recording, it is known."""
    heard = list(map(levels.get, clips))
    if None in heard:
        heard = [
            levels.get(recording_name(clip)) if level is None else level
            for clip, level in zip(clips, heard, strict=True)
        ]
    return [level for level in heard if level is not None]


def _median(levels: list[float]) -> float:
    """Return the median of at least one; the module statistics takes 17 ms to import."""
    return float(np.median(levels))
