"""How many train normals lie above a run's thresholds, by domain, and what rate of false positives can be promised.

No label is needed. Train normals are scored out of fold, and the rate above the threshold comes with its exact
interval (:func:`asdcore.evidence.false_alarms.false_positives.clopper_pearson`).

A promise has a limit that no score can change. From n clips of a domain, a threshold can keep the chance of a new
normal clip above it at 1/(n + 1) or more, never below. Ten target clips cannot support 5 %. If clips of a recording are
near-duplicates, n counts recordings (:mod:`asdcore.held_out.promises`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.digits import fixed
from asdcore.errors import EvaluationError
from asdcore.evidence.data_frames import Tabular
from asdcore.evidence.false_alarms.false_positives import clopper_pearson
from asdcore.held_out import system_groups
from asdcore.held_out.promises import effective_clips
from asdcore.portfolio import Decision, parse_portfolio
from asdcore.runs.folder import Run, load_run
from asdcore.stages.decide import nominal_rate, thresholds

CELL = ["system", "machine", "section", "domain"]


@dataclass(frozen=True)
class FalsePositives:
    """Train normals of one machine, section and domain above the threshold of a system.

    Attributes
    ----------
    machine, section, system, domain : str
        What was counted.
    normals, above : int
        Train normals, and how many of them lie above the threshold.
    ci95 : (float, float)
        The Clopper-Pearson interval of the rate. If clips come in groups, it counts the independent clips that they are
        worth.
    nominal : float
        The rate that the decision rule aims at.
    groups : int or None
        Groups of the normals (such as recordings), if groups are exchangeable and clips are not. A promise then counts
        groups.

    """

    machine: str
    section: str
    system: str
    domain: str
    normals: int
    above: int
    ci95: tuple[float, float]
    nominal: float
    groups: int | None = None

    @property
    def units(self) -> int:
        """The number of exchangeable units: groups, or clips."""
        return self.normals if self.groups is None else self.groups

    @property
    def rate(self) -> float:
        """The share above the threshold."""
        return self.above / self.normals

    @property
    def smallest_attainable(self) -> float:
        """The smallest rate that so many clips, or groups of them, can promise."""
        return 1 / (self.units + 1)

    @property
    def warning(self) -> str | None:
        """A warning if so few clips or groups cannot promise the nominal rate, whatever their scores."""
        if self.smallest_attainable <= self.nominal:
            return None
        apart = "" if self.units == self.normals else f" in {self.units} group{'s' * (self.units > 1)}"
        return (
            f"{self.normals} {self.domain} clips{apart} cannot support {_percent(self.nominal)}: the smallest rate "
            f"that they can promise is 1/{self.units + 1} = {_percent(self.smallest_attainable)}."
        )

    @property
    def sentence(self) -> str:
        """The count and the promise in plain English."""
        low, high = self.ci95
        aimed = "covers" if low <= self.nominal <= high else "excludes"
        counted = (
            f"{self.system}, {self.machine} section {self.section}: {self.above} of {self.normals} {self.domain} train "
            f"normals are above ({_percent(self.rate)}); the 95 % interval, {_percent(low)} to {_percent(high)}, "
            f"{aimed} the {_percent(self.nominal)} aimed at."
        )
        return counted if self.warning is None else f"{counted} {self.warning}"

    def as_json(self) -> dict[str, Any]:
        """Return the count as plain numbers."""
        return {
            "machine": self.machine,
            "section": self.section,
            "system": self.system,
            "domain": self.domain,
            "normals": self.normals,
            "groups": self.units,
            "above": self.above,
            "rate": self.rate,
            "ci95": list(self.ci95),
            "nominal": self.nominal,
            "smallest_attainable": self.smallest_attainable,
            "sentence": self.sentence,
        }


class Decisions(list[FalsePositives], Tabular):
    """Counts of every system, machine, section and domain: a list that also gives a table (``to_polars``)."""

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for each entry."""
        return [counted.as_json() for counted in self]


def decisions(run: Run | str | Path, systems: Iterable[str] | None = None) -> Decisions:
    """Count the train normals of a finished run that lie above the threshold, by system, machine, section and domain.

    No label is looked at. The threshold rests on the same train normals, so over both domains together the rate is near
    the nominal one by construction. The counts show how the two domains share it.

    Parameters
    ----------
    run : Run, str or pathlib.Path
        A finished run, or its folder.
    systems : iterable of str, optional
        The systems to look at; all by default.

    Returns
    -------
    Decisions
        A list of :class:`~asdcore.evidence.false_alarms.decisions.FalsePositives`, one entry for each system, machine,
        section and domain. ``to_polars()`` makes it a table.

    Raises
    ------
    EvaluationError
        If the run has no system of one of these names.

    References
    ----------
    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934 (the interval ``ci95``).

    Examples
    --------
    >>> counts = asdcore.decisions("runs/first")
    >>> fan = next(count for count in counts if (count.machine, count.domain) == ("SynFan", "target"))
    >>> fan.normals
    10
    >>> print(fan.warning)
    10 target clips ... cannot support 5.0 %: the smallest rate that they can promise is ...

    """
    done = run if isinstance(run, Run) else load_run(run)
    chosen, rule = out_of_fold_rows(done, systems)
    above = pl.col("score") > pl.col("threshold")
    counted = (
        chosen.join(done.clips.select("clip", "machine", "section", "domain"), on="clip")
        .join(run_thresholds(done, set(chosen["system"])), on=["machine", "section", "system"])
        .join(run_groups(done, set(chosen["system"])), on=["system", "clip"])
        .with_columns(above=above)
        .sort("system", "machine", "section", "domain")
    )
    nominal = nominal_rate(rule.quantile)
    return Decisions(_counted(rows, nominal) for _, rows in counted.group_by(CELL, maintain_order=True))


def _counted(rows: pl.DataFrame, nominal: float) -> FalsePositives:
    """Count the train normals of one system, machine, section and domain."""
    system, machine, section, domain = (str(rows[name][0]) for name in CELL)
    n, above, groups = len(rows), int(rows["above"].sum()), rows["group"].n_unique()
    worth = effective_clips(rows["above"], rows["group"])
    sure = clopper_pearson(above, n) if groups == n else clopper_pearson(above / n * worth, worth)
    return FalsePositives(machine, section, system, domain, n, above, sure, nominal, groups)


def out_of_fold_rows(run: Run, systems: Iterable[str] | None) -> tuple[pl.DataFrame, Decision]:
    """Return the out-of-fold rows of the systems asked for (all if None), and the decision rule.

    Raises EvaluationError if the run has no system of one of these names.
    """
    names = set(run.systems["system"])
    wanted = names if systems is None else set(systems)
    if unknown := sorted(wanted - names):
        raise EvaluationError(f"{run.folder} has no system {unknown[0]!r}. It has {', '.join(sorted(names))}.")
    rows = run.systems.filter(pl.col("system").is_in(sorted(wanted)) & (pl.col("role") == "oof"))
    return rows, parse_portfolio(run.about["portfolio"]).decision


def run_thresholds(run: Run, systems: Iterable[str]) -> pl.DataFrame:
    """Return the thresholds that a finished run decided by: machine, section, system, threshold.

    A machine and section without test clips gets the threshold that would have decided.
    """
    cell = ["machine", "section", "system"]
    wanted, plan = sorted(systems), parse_portfolio(run.about["portfolio"])
    placed = run.clips.select("clip", "machine", "section")
    decided = run.decisions.filter(pl.col("system").is_in(wanted)).join(placed, on="clip")
    decided = decided.group_by(cell, maintain_order=True).agg(pl.first("threshold"))
    normals = run.systems.filter(pl.col("system").is_in(wanted) & (pl.col("role") == "oof"))
    rest = normals.join(placed, on="clip").join(decided, on=cell, how="anti").select(normals.columns)
    if rest.is_empty():
        return decided
    return pl.concat([decided, thresholds(rest, run.clips, plan.decision, run_groups(run, wanted))])


def run_groups(run: Run, systems: Iterable[str]) -> pl.DataFrame:
    """Return system, clip and group of every train normal of a finished run."""
    return system_groups(run.clips, parse_portfolio(run.about["portfolio"]), run.about.get("out_of_fold", []), systems)


def _percent(value: float) -> str:
    return f"{fixed(100 * value, 1)} %"
