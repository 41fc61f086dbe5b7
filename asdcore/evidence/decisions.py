"""What decisions promise, and what they did: false positives, by domain.

On train normals, without labels
    How many of a domain's train normals, scored out of fold, lie above the threshold, with the exact interval of
    Clopper and Pearson (Biometrika 26, 1934). And what may be promised at all: with n clips of a domain, a threshold
    can keep the chance of a new normal clip above it at 1/(n + 1) or more, never below, whatever the scores. Ten target
    clips cannot support 5 %. Where clips of a recording are near-duplicates, n counts recordings
    (:mod:`asdcore.held_out.promises`).

On test normals, with labels
    Two numbers have been called the target false-positive ratio ("Robust train-normal calibration", DCASE 2026, Tables
    2 and 3: its text says the first, its figures look like the second), so each has a name of its own here:
    ``target_fpr_at_threshold``, the share of a cell's target test normals that are called anomalous, and
    ``target_share_of_top_normals``, the share of target clips among the tenth of its test normals that score highest:
    those that decide pAUC. With as many normals of either domain, 0.5 is balanced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from asdcore.basics.digits import fixed
from asdcore.errors import EvaluationError
from asdcore.evidence.frames import Tabular
from asdcore.evidence.metrics import DOMAINS
from asdcore.held_out import system_groups
from asdcore.held_out.promises import bound, effective_clips, estimate, smallest_rate
from asdcore.portfolio import Decision, parse_portfolio
from asdcore.runs.folder import Run, load_run
from asdcore.stages.decide import nominal_rate, thresholds

TOP = 10
"""One in so many normals is a top one: pAUC looks at false positive rates up to 1/10."""

CELL = ["system", "machine", "section", "domain"]


@dataclass(frozen=True)
class FalsePositives:
    """Train normals of one machine, section and domain above the threshold of a system.

    rate = above / normals, ci95 its Clopper-Pearson interval. nominal is what the decision rule aims at,
    smallest_attainable what they can promise at best. groups : of the normals (recordings, runs), where groups are
    exchangeable and clips are not; then a promise counts groups, and ci95 the independent clips they are worth.
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
        """How many exchangeable things there are: groups, or clips."""
        return self.normals if self.groups is None else self.groups

    @property
    def rate(self) -> float:
        """Share above the threshold."""
        return self.above / self.normals

    @property
    def smallest_attainable(self) -> float:
        """The smallest rate that so many clips, or groups of them, can promise."""
        return 1 / (self.units + 1)

    @property
    def warning(self) -> str | None:
        """Say so where the nominal rate cannot be promised of so many clips or groups, whatever their scores."""
        if self.smallest_attainable <= self.nominal:
            return None
        apart = "" if self.units == self.normals else f" in {self.units} run{'s' * (self.units > 1)}"
        return (
            f"{self.normals} {self.domain} clips{apart} cannot support {_percent(self.nominal)}: the smallest rate "
            f"that they can promise is 1/{self.units + 1} = {_percent(self.smallest_attainable)}."
        )

    @property
    def sentence(self) -> str:
        """Say what was found, and what may be promised."""
        low, high = self.ci95
        aimed = "covers" if low <= self.nominal <= high else "excludes"
        found = (
            f"{self.system}, {self.machine} section {self.section}: {self.above} of {self.normals} {self.domain} train "
            f"normals are above ({_percent(self.rate)}); the 95 % interval, {_percent(low)} to {_percent(high)}, "
            f"{aimed} the {_percent(self.nominal)} aimed at."
        )
        return found if self.warning is None else f"{found} {self.warning}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers."""
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
    """What was counted, one entry for each system, machine, section and domain; a list that is a table, too."""

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for each entry."""
        return [counted.as_json() for counted in self]


def decisions(run: Run | str | Path, systems: Iterable[str] | None = None) -> Decisions:
    """Count the train normals of a finished run that lie above the threshold, by system, machine, section and domain.

    systems : those to look at; all where none are named. No label is looked at. The threshold rests on the same train
    normals, so over both domains the rate is near the nominal one by construction: what it says is how they share it.
    """
    done = run if isinstance(run, Run) else load_run(run)
    chosen, rule = _chosen(done, systems)
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


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds of one machine, section and system: the plain quantile, and two that count groups.

    estimate comes to the nominal rate on average, bound keeps it by proof (:mod:`asdcore.held_out.promises`); None
    where so few groups allow none. smallest is the rate that they can promise at best.
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
        """Say so where a conformal threshold counts clips that come in groups, as before groups were counted."""
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
        """The smallest rate that so many groups can promise."""
        return smallest_rate(self.groups)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers."""
        return {**asdict(self), "smallest": self.smallest}


def group_thresholds(run: Run | str | Path, systems: Iterable[str] | None = None) -> list[GroupThresholds]:
    """Return the thresholds that count groups, of a finished run, by system, machine and section.

    Both domains are in it, as in the run's threshold. The bound decides where the rule is conformal.
    """
    done = run if isinstance(run, Run) else load_run(run)
    chosen, rule = _chosen(done, systems)
    nominal, cell = nominal_rate(rule.quantile), ["system", "machine", "section"]
    rows = (
        chosen.join(done.clips.select("clip", "machine", "section"), on="clip")
        .join(run_thresholds(done, set(chosen["system"])), on=cell)
        .join(run_groups(done, set(chosen["system"])), on=["system", "clip"])
        .sort(*cell, "clip")
    )
    found = []
    for (system, machine, section), own in rows.group_by(cell, maintain_order=True):
        scores, groups = own["score"].to_numpy(), own["group"].to_numpy()
        estimated, kept = (one if np.isfinite(one := of(scores, groups, nominal)) else None for of in (estimate, bound))
        found.append(
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
    return found


def _chosen(run: Run, systems: Iterable[str] | None) -> tuple[pl.DataFrame, Decision]:
    """Return the out-of-fold rows of the systems asked for, and the decision rule."""
    known = set(run.systems["system"])
    wanted = known if systems is None else set(systems)
    if unknown := sorted(wanted - known):
        raise EvaluationError(f"{run.folder} has no system {unknown[0]!r}. It has {', '.join(sorted(known))}.")
    rows = run.systems.filter(pl.col("system").is_in(sorted(wanted)) & (pl.col("role") == "oof"))
    return rows, parse_portfolio(run.about["portfolio"]).decision


def run_thresholds(run: Run, systems: Iterable[str]) -> pl.DataFrame:
    """Return the thresholds that a finished run decided by: machine, section, system, threshold.

    Of a machine and section without test clips, those it would have decided by.
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


def clopper_pearson(hits: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial rate, from quantiles of the beta distribution; n may be a fraction."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def target_false_positives(
    scores: ArrayLike, labels: ArrayLike, domains: ArrayLike, decided: ArrayLike | None = None
) -> dict[str, float | None]:
    """(n_clips,) each -> both readings of the target false-positive ratio of one machine and section.

    None where there is no target test normal, or (for the rate) no decision. Normals that tie at the edge of the top
    count in equal shares, so that their order does not matter.
    """
    normal = np.asarray(labels) == 0
    target = np.asarray(domains)[normal] == DOMAINS[1]
    if not target.any():
        return {"target_fpr_at_threshold": None, "target_share_of_top_normals": None}
    values = np.asarray(scores, dtype=np.float64)[normal]
    top = -(-len(values) // TOP)
    edge = np.sort(values)[-top]
    over, at = values > edge, values == edge
    share = (over & target).sum() + (top - over.sum()) * (at & target).sum() / at.sum()
    rate = None if decided is None else float(np.mean(np.asarray(decided)[normal][target]))
    return {"target_fpr_at_threshold": rate, "target_share_of_top_normals": float(share / top)}


def _percent(value: float) -> str:
    return f"{fixed(100 * value, 1)} %"
