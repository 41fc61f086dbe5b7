"""Thresholds that count groups of train normals instead of clips, beside the threshold that a run decided by.

Clips of one recording are near-duplicates, so a promise about new clips counts recordings
(:mod:`asdcore.held_out.promises`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.evidence.false_alarms.decisions import out_of_fold_rows, run_groups, run_thresholds
from asdcore.held_out.promises import bound, estimate, smallest_rate
from asdcore.runs.folder import Run, load_run
from asdcore.stages.decide import nominal_rate


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds of one machine, section and system: the run's own, and two that count groups.

    Attributes
    ----------
    machine, section, system : str
        What the thresholds belong to.
    normals, groups : int
        Train normals, and how many groups they come in.
    nominal : float
        The rate of false positives that the decision rule aims at.
    threshold : float
        The run's own threshold.
    estimate, bound : float or None
        The threshold that comes near the nominal rate on average, and the one that keeps it by proof
        (:mod:`asdcore.held_out.promises`); None if so few groups allow none.
    rule : {"ecdf", "conformal"}
        The run's decision rule.

    """

    machine: str
    section: str
    system: str
    normals: int
    groups: int
    nominal: float
    threshold: float
    estimate: float | None
    bound: float | None
    rule: str = "ecdf"

    @property
    def doubt(self) -> str | None:
        """A warning if a conformal threshold counts clips although they come in groups, as runs of old versions do."""
        if self.rule != "conformal" or self.groups == self.normals or self.threshold == self.bound:
            return None
        instead = f"it would be {self.bound:.4g}" if self.bound is not None else "there is none"
        return (
            f"{self.system}, {self.machine} section {self.section}: this run's conformal threshold, "
            f"{self.threshold:.4g}, counts {self.normals} clips as if each were a recording of its own; counting their "
            f"{self.groups} groups {instead}. Run the portfolio again: 'asdcore run'."
        )

    @property
    def smallest(self) -> float:
        """The smallest rate of false positives that so many groups can promise."""
        return smallest_rate(self.groups)

    def as_json(self) -> dict[str, Any]:
        """Return the thresholds as plain numbers."""
        return {**asdict(self), "smallest": self.smallest}


def group_thresholds(run: Run | str | Path, systems: Iterable[str] | None = None) -> list[GroupThresholds]:
    """Compute the thresholds of a finished run that count groups, by system, machine and section.

    Both domains count together, as in the run's threshold. If the rule is conformal, the bound decides.

    Parameters
    ----------
    run, systems
        As :func:`asdcore.decisions`.

    Returns
    -------
    list of GroupThresholds
        One entry for each system, machine and section.

    Raises
    ------
    EvaluationError
        If the run has no system of one of these names.

    """
    done = run if isinstance(run, Run) else load_run(run)
    chosen, rule = out_of_fold_rows(done, systems)
    nominal, cell = nominal_rate(rule.quantile), ["system", "machine", "section"]
    rows = (
        chosen.join(done.clips.select("clip", "machine", "section"), on="clip")
        .join(run_thresholds(done, set(chosen["system"])), on=cell)
        .join(run_groups(done, set(chosen["system"])), on=["system", "clip"])
        .sort(*cell, "clip")
    )
    entries = []
    for (system, machine, section), own in rows.group_by(cell, maintain_order=True):
        scores, groups = own["score"].to_numpy(), own["group"].to_numpy()
        estimated, kept = (
            threshold if np.isfinite(threshold := method(scores, groups, nominal)) else None
            for method in (estimate, bound)
        )
        entries.append(
            GroupThresholds(
                str(machine),
                str(section),
                str(system),
                len(own),
                own["group"].n_unique(),
                nominal,
                float(own["threshold"][0]),
                estimated,
                kept,
                rule.rule,
            )
        )
    return entries
