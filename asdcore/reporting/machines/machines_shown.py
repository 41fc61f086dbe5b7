"""Gather what the page shows of every machine, and why the clips shown stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asdcore.progress import Progress
from asdcore.reporting.machines.explained import explain_clips
from asdcore.reporting.machines.machines import Cell, machine_parts
from asdcore.reporting.machines.shares import share_out
from asdcore.reporting.reported_runs import Subject

Parts = list[tuple[Cell, str, dict[str, Any]]]
"""(machine, section), system, and what the page shows of it."""


@dataclass(frozen=True)
class MachinesShown:
    """The parts of every run, in the order of the runs, and what could not be said of their clips."""

    parts: list[Parts]
    notes: list[str]


def show_machines(subjects: Sequence[Subject], explain: int, progress: Progress) -> MachinesShown:
    """Compute the parts of all runs; ``explain`` clips of each machine and system get the bands that stand out."""
    shown = MachinesShown([], [])
    for subject in subjects:
        parts = list(machine_parts(subject))
        shown.notes.extend(share_out(subject, parts))
        if explain:
            shown.notes.extend(explain_clips(subject, parts, explain, progress))
        shown.parts.append(parts)
    return shown
