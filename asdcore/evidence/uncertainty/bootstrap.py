"""Bootstrap intervals of every cell and official score: how the results vary over test sets of the same machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.threads import single_threaded
from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import rule
from asdcore.evidence.uncertainty.curves import official_scores, official_scores_replaced
from asdcore.evidence.uncertainty.few_clips import notes_on_few_clips
from asdcore.evidence.uncertainty.interval import Interval, acceleration, bca, check_level, jackknife, percentile
from asdcore.evidence.uncertainty.resample import Indices, Stratum, bootstrap_weights, left_out_weights
from asdcore.evidence.uncertainty.section_arrays import Section, machines_of, sections_of

Floats = NDArray[np.float64]
FEWEST = 100
"""Replicates below which the ends of a 95 % interval would rest on two of them."""


@dataclass(frozen=True)
class Uncertainty:
    """The intervals of some systems' results.

    Attributes
    ----------
    official : dict
        For each system the "percentile" and the "bca" interval of its official score, over other clips of the same
        machines.
    cells : dict
        For each system one row for each (machine, section): its names, and the BCa interval of every cell.
    machines : dict
        For each system the jackknife interval of its official score over other machines like these. Empty for a single
        machine, which tells nothing about others.
    replicates, seed : int
        Of the bootstrap.
    level : float
        The share of repetitions in which an interval covers the true value.
    notes : tuple of str
        On cells of so few clips that their intervals are too narrow.

    """

    official: dict[str, dict[str, Interval]]
    cells: dict[str, list[dict[str, Any]]]
    machines: dict[str, Interval]
    replicates: int
    seed: int
    level: float = 0.95
    notes: tuple[str, ...] = ()


def intervals(
    table: pl.DataFrame, year: int, *, replicates: int = 2000, seed: int = 0, level: float = 0.95
) -> Uncertainty:
    """Compute bootstrap intervals of every cell and official score, with the same draws for every system.

    Parameters
    ----------
    table : polars.DataFrame
        Scores joined with the ground truth; see :mod:`asdcore.evidence.labels.scores_with_truth`.
    year : int
        The year whose rules apply.
    replicates : int, default 2000
        Bootstrap replicates, at least 100.
    seed : int, default 0
        The same table, seed and number of replicates give the same intervals.
    level : float, default 0.95
        In (0, 1).

    Returns
    -------
    Uncertainty
        The intervals. Windows and parts of one recording are drawn together.

    Raises
    ------
    EvaluationError
        If the table is incomplete, a cell of the year has no clips, or a parameter is out of range.

    References
    ----------
    B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82, 1987.

    Examples
    --------
    >>> clips = {"machine": "fan", "section": "00", "clip": [f"{i:02d}.wav" for i in range(40)], "system": "A"}
    >>> scores = [float(7 * i % 40 + 10 * (i % 2)) for i in range(40)]
    >>> truth = {"label": [i % 2 for i in range(40)], "domain": ["source"] * 20 + ["target"] * 20}
    >>> uncertainty = intervals(pl.DataFrame({**clips, "score": scores, **truth}), 2026, replicates=200)
    >>> interval = uncertainty.official["A"]["bca"]
    >>> 0 < interval.low < interval.estimate < interval.high < 1
    True

    """
    return Resampled.of(table, year, replicates, seed).uncertainty(level)


@dataclass(frozen=True)
class Resampled:
    """The cells of all systems under bootstrap and leave-one-out weights.

    point : (n_systems, n_sections, n_cells, 1). replicates : (n_systems, n_sections, n_cells, replicates).
    left_out : for each section (n_systems, n_cells, n_clips).
    """

    systems: list[str]
    sections: list[Section]
    year: int
    seed: int
    point: Floats = field(repr=False)
    replicates: Floats = field(repr=False)
    left_out: list[Floats] = field(repr=False)

    @classmethod
    def of(cls, table: pl.DataFrame, year: int, replicates: int, seed: int) -> Resampled:
        """Resample a joined table; raises EvaluationError if the table or the number of replicates is invalid."""
        if replicates < FEWEST:
            raise EvaluationError(f"replicates is {replicates}; an interval needs at least {FEWEST}, better 2000.")
        systems, sections = sections_of(table, year)
        point, drawn, left_out = [], [], []
        each = range(len(systems))
        with single_threaded():  # the products are small, and threads that wait for the next one take CPU time
            for section in sections:
                weights = bootstrap_weights(section.strata, replicates, seed, section.recordings)
                without = left_out_weights(section.strata, section.recordings)
                point.append(np.stack([section.values(i, np.ones_like(without[:, :1]), year) for i in each]))
                drawn.append(np.stack([section.values(i, weights, year) for i in each]))
                left_out.append(np.stack([section.values(i, without, year) for i in each]))
        return cls(systems, sections, year, seed, np.stack(point, axis=1), np.stack(drawn, axis=1), left_out)

    def averaged(self, members: Mapping[str, Sequence[int]]) -> Resampled:
        """Return means over systems: of their cells, and of their official scores, under each weighting of clips.

        Parameters
        ----------
        members : mapping of str to sequence of int
            The places of the systems that stand together under a name, such as the trials of one system.
        """
        groups = [list(places) for places in members.values()]

        def mean(values: Floats) -> Floats:
            return np.stack([values[places].mean(axis=0) for places in groups])

        made = replace(
            self,
            systems=list(members),
            point=mean(self.point),
            replicates=mean(self.replicates),
            left_out=[mean(values) for values in self.left_out],
        )
        # An official score is not a mean of cells, so the means are over what each system has.
        names = ("official_point", "official_replicates", "official_left_out", "machine_left_out")
        vars(made).update({name: mean(getattr(self, name)) for name in names})
        return made

    def uncertainty(self, level: float = 0.95) -> Uncertainty:
        """Return the intervals of every system's results."""
        check_level(level)
        spread = {name: self.machine_spread(i, level) for i, name in enumerate(self.systems)}
        return Uncertainty(
            {name: self.official_intervals(i, level) for i, name in enumerate(self.systems)},
            {name: self.cell_intervals(i, level) for i, name in enumerate(self.systems)},
            {name: interval for name, interval in spread.items() if interval is not None},
            self.replicates.shape[-1],
            self.seed,
            level,
            notes_on_few_clips(self.sections, self.year),
        )

    @cached_property
    def official_point(self) -> Floats:
        """(n_systems,) official scores."""
        return np.array([self._official(values)[0] for values in self.point])

    @cached_property
    def official_replicates(self) -> Floats:
        """(n_systems, replicates) official scores."""
        return np.stack([self._official(values) for values in self.replicates])

    @cached_property
    def official_left_out(self) -> Floats:
        """(n_systems, all clips) official scores with each clip left out in turn, section after section."""
        machines, rules = machines_of(self.sections), rule(self.year)
        return np.stack(
            [
                official_scores_replaced(values[:, :, 0], [cells[system] for cells in self.left_out], machines, rules)
                for system, values in enumerate(self.point)
            ]
        )

    @cached_property
    def machine_left_out(self) -> Floats:
        """(n_systems, n_machines) official scores with each machine left out in turn; of a single machine none."""
        machines = machines_of(self.sections)
        names = sorted(set(machines)) if len(set(machines)) > 1 else []
        kept = [[machine != name for machine in machines] for name in names]
        left_out = [[self._official(values, keep)[0] for keep in kept] for values in self.point]
        return np.array(left_out, dtype=np.float64).reshape(len(self.systems), len(names))

    @cached_property
    def strata(self) -> list[Stratum]:
        """The positions of each stratum's clips among all clips."""
        strata, before = [], 0
        for section in self.sections:
            strata += [(name, before + clips) for name, clips in section.strata]
            before += len(section.anomalous)
        return strata

    @cached_property
    def recordings(self) -> Indices:
        """The number of each clip's recording, among all clips."""
        numbers, before = [], 0
        for section in self.sections:
            numbers.append(before + section.recordings)
            before += len(section.recordings)
        return np.concatenate(numbers)

    def official_intervals(self, system: int, level: float) -> dict[str, Interval]:
        """Return both bootstrap intervals of one system's official score."""
        estimate, drawn = float(self.official_point[system]), self.official_replicates[system]
        skewness = acceleration(self.official_left_out[system], self.strata, self.recordings)
        return {"percentile": percentile(estimate, drawn, level), "bca": bca(estimate, drawn, skewness, level)}

    def cell_intervals(self, system: int, level: float) -> list[dict[str, Any]]:
        """Return the interval of every cell of one system."""
        rows = []
        for s, section in enumerate(self.sections):
            row: dict[str, Any] = {"machine": section.machine, "section": section.section}
            for c, cell in enumerate(rule(self.year).cells):
                skewness = acceleration(self.left_out[s][system, c], section.strata, section.recordings)
                estimate, drawn = float(self.point[system, s, c, 0]), self.replicates[system, s, c]
                row[cell.name] = bca(estimate, drawn, skewness, level)
            rows.append(row)
        return rows

    def machine_spread(self, system: int, level: float) -> Interval | None:
        """Return the jackknife interval over machines, or None if there is only one."""
        left_out = self.machine_left_out[system]
        return jackknife(float(self.official_point[system]), left_out, level) if len(left_out) > 1 else None

    def _official(self, values: Floats, kept: Sequence[bool] | None = None) -> Floats:
        """(n_sections, n_cells, replicates) -> (replicates,), of some sections or all."""
        keep = np.ones(len(self.sections), dtype=bool) if kept is None else np.array(kept)
        machines = [machine for machine, wanted in zip(machines_of(self.sections), keep, strict=True) if wanted]
        return official_scores(values[keep], machines, rule(self.year))
