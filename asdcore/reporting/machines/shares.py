"""Divide the scores of the clips shown among branches and guards, from the scores that a run has stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from asdcore.compute.scoring.scoring import Scores
from asdcore.contract.plugins import installed
from asdcore.detector.systems import FrozenSystem, Shares, scales_of
from asdcore.errors import AsdcoreError
from asdcore.reporting.machines.machines import Cell
from asdcore.reporting.reported_runs import Subject
from asdcore.stages.fuse_rows import Cells
from asdcore.store.tables import CELL

Divided = dict[tuple[str, str], list[tuple[str, float]]]
"""{(system, clip): rows (part, what it adds to the score)}."""

SAME = 1e-6
"""The largest part of a score by which it may differ from the run's, which is rounded."""

AS_USUAL = "as usual"
"""What the score is if every branch has the median of its train normals."""


def share_out(subject: Subject, parts: Sequence[tuple[Cell, str, dict[str, Any]]]) -> list[str]:
    """Put ``shares`` into the rows of the clips shown: by the Shapley value of every branch, as a detector does.

    Parameters
    ----------
    subject : Subject
        The run.
    parts : sequence
        (machine, section), system and what the page shows of it, as
        :func:`asdcore.reporting.machines.machines.machine_parts` yields it. ``shares`` are rows of (part, what it adds
        to the score); the first one is the usual score, and together they are the clip's.

    Returns
    -------
    list of str
        What could not be divided, and why.
    """
    by_cell: dict[Cell, dict[str, list[dict[str, Any]]]] = {}
    for cell, system, part in parts:
        by_cell.setdefault(cell, {})[system] = shown_in(part)
    notes, stored = [], _Stored(subject, {row["clip"] for _, _, part in parts for row in shown_in(part)})
    for cell, shown in by_cell.items():
        try:
            wanted = {system: [row["clip"] for row in rows] for system, rows in shown.items()}
            shares = _of_cell(subject, stored, cell, wanted)
        except AsdcoreError as error:
            notes.append(f"{subject.name}, {' '.join(cell)}: scores are not divided among branches. {error}")
            continue
        for system, rows in shown.items():
            for row in rows:
                row["shares"] = shares[system, row["clip"]]
    return notes


def shown_in(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the clips that the page shows of one machine and system."""
    return [*part["top"], *part["tail"]]


class _Stored:
    """What the run has stored: the scores of branches by cell, and the written scores of the clips shown by clip."""

    def __init__(self, subject: Subject, shown: set[str]) -> None:
        digests = subject.run.clips.select("clip", "sha256")
        scores = subject.run.scores.join(digests, on="clip", validate="m:1", maintain_order="left")
        self._none, self._of_cells = scores.clear(), scores.partition_by(CELL, as_dict=True)
        written = subject.run.systems.filter((pl.col("role") == "test") & pl.col("clip").is_in(list(shown)))
        self.written = {(name, clip): score for name, clip, score in written.select("system", "clip", "score").rows()}

    def of_cell(self, cell: Cell) -> pl.DataFrame:
        """Return the rows of one machine and section in the score table, with their clips' digests."""
        return self._of_cells.get(cell, self._none)


def _of_cell(subject: Subject, stored: _Stored, cell: Cell, wanted: Mapping[str, Sequence[str]]) -> Divided:
    rows = stored.of_cell(cell)
    scales = scales_of(subject.plan, rows.filter(role="oof"), installed())
    every = sorted({clip for clips in wanted.values() for clip in clips})
    cells: dict[tuple[bool, str], Cells] = {}
    tested = rows.filter((pl.col("role") == "test") & pl.col("clip").is_in(every)).partition_by("clip", as_dict=True)
    for clip in every:
        if (clip,) not in tested:
            raise AsdcoreError(f"The run has no scores of {clip} by branches.")
        scores = by_branch(tested[clip,])
        cells |= {(mirror, clip): scale.cells(scores) for mirror, scale in scales.items()}
    shares: Divided = {}
    for name, clips in wanted.items():
        choice = subject.plan.systems[name]
        mirror = choice.out_of_fold_mirror_of is not None
        system = FrozenSystem(choice, scales[mirror], installed())
        for clip in clips:
            score = system(cells[mirror, clip])["score"]
            written = stored.written[name, clip]
            if not np.isclose(score, written, rtol=SAME, atol=SAME):
                raise AsdcoreError(
                    f"System {name} gives {clip} another score now ({score:.6g}, then {written:.6g}): code "
                    "or libraries have changed since. Run the portfolio again."
                )
            shares[name, clip] = parts_of(system.shares())
    return shares


def by_branch(rows: pl.DataFrame) -> dict[str, dict[int, Scores]]:
    """Return {branch: {fold: {reference: (1,)}}} of the score rows of one test clip."""
    scores: dict[str, dict[int, Scores]] = {}
    for branch, fold, reference, score in rows.select("branch", "fold", "reference", "score").rows():
        scores.setdefault(branch, {}).setdefault(fold, {})[reference] = np.array([score])
    return scores


def parts_of(shares: Shares) -> list[tuple[str, float]]:
    """Return the usual score, then what branches add, the largest first, then guards."""
    branches = sorted(shares.branches.items(), key=lambda part: (-abs(part[1]), part[0]))
    rows = [(AS_USUAL, shares.usual), *branches, *((f"guard {name}", taken) for name, taken in shares.guards.items())]
    return [(name, float(f"{value:.4g}")) for name, value in rows]
