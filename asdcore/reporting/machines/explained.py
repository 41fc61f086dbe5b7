"""Say of the highest clips which band and which seconds stand out: the part of a report that hears recordings again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asdcore.errors import AsdcoreError
from asdcore.explanation.clip import clip_of_file
from asdcore.explanation.explained_file import detector_of_run
from asdcore.explanation.in_short import clip_in_short
from asdcore.progress import Progress
from asdcore.reporting.machines.machines import Cell
from asdcore.reporting.machines.shares import shown_in
from asdcore.reporting.reported_runs import Subject

MOST = 14
"""Clips that are shown of a machine and system: no more can be explained."""


def check_count(explain: int) -> None:
    """Raise AsdcoreError unless so many clips can be explained."""
    if isinstance(explain, bool) or not isinstance(explain, int) or not 0 <= explain <= MOST:
        raise AsdcoreError(
            f"explain is {explain!r}; a whole number from 0 to {MOST} is allowed: how many clips of each machine and "
            "system are explained, the highest first. 3 is a good begin."
        )


def explain_clips(
    subject: Subject, parts: Sequence[tuple[Cell, str, dict[str, Any]]], count: int, progress: Progress
) -> list[str]:
    """Put ``stands_out``, sentences, into the rows of the highest clips of every machine and system.

    Parameters
    ----------
    subject : Subject
        The run.
    parts : sequence
        (machine, section), system and what the page shows of it, as
        :func:`asdcore.reporting.machines.machines.machine_parts` yields it.
    count : int
        How many clips of each.
    progress : Progress
        Reports progress.

    Returns
    -------
    list of str
        What could not be explained, and why.
    """
    if subject.data is None:
        return [f"The bands and seconds of {subject.name} are unknown: its recordings are no longer at hand."]
    try:
        detector = detector_of_run(subject.run, progress=progress)
    except AsdcoreError as error:
        return [f"The bands and seconds of {subject.name} are unknown: {error}"]
    digests = dict(subject.run.clips.select("clip", "sha256").rows())
    chosen = [(cell, system, *clip) for cell, system, part in parts for clip in highest(part, count)]
    notes = []
    with progress.stage(f"explain {subject.name}", len(chosen)) as advance:
        for (machine, section), system, clip, rows in chosen:
            try:
                with clip_of_file(detector, subject.data / clip, digests[clip]) as heard:
                    verdict = heard.score(heard.sound, machine, section, system)
                    sentences = clip_in_short(heard, verdict, data=subject.data).sentences()
            except AsdcoreError as error:
                notes.append(f"{subject.title(system)}, {clip}: {error}")
                continue
            finally:
                advance(1)
            for row in rows:
                row["stands_out"] = sentences
    return notes


def highest(part: dict[str, Any], count: int) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the highest clips that are shown, and the rows of each: one may be shown twice."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in shown_in(part):
        rows.setdefault(row["clip"], []).append(row)
    return sorted(rows.items(), key=lambda clip: clip[1][0]["rank"])[:count]
