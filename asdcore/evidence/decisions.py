"""What decisions promise, and what they did: false positives, by domain.

On train normals, without labels
    How many of a domain's train normals, scored out of fold, lie above the threshold, with the exact interval of
    Clopper and Pearson (Biometrika 26, 1934). And what may be promised at all: with n clips of a domain, a threshold
    can keep the chance of a new normal clip above it at 1/(n + 1) or more, never below, whatever the scores. Ten target
    clips cannot support 5 %.

On test normals, with labels
    Two numbers have been called the target false-positive ratio ("Robust train-normal calibration", DCASE 2026, Tables
    2 and 3: its text says the first, its figures look like the second), so each has a name of its own here:
    ``target_fpr_at_threshold``, the share of a cell's target test normals that are called anomalous, and
    ``target_share_of_top_normals``, the share of target clips among the tenth of its test normals that score highest:
    those that decide pAUC. With as many normals of either domain, 0.5 is balanced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from asdcore.digits import fixed
from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import DOMAINS
from asdcore.portfolio import parse_portfolio
from asdcore.runs import Run, load_run
from asdcore.stages.decide import nominal_rate, thresholds

TOP = 10
"""One in so many normals is a top one: pAUC looks at false positive rates up to 1/10."""


@dataclass(frozen=True)
class FalsePositives:
    """Train normals of one machine, section and domain above the threshold of a system.

    rate = above / normals, ci95 its Clopper-Pearson interval. nominal is what the decision rule aims at,
    smallest_attainable what ``normals`` clips can promise at best.
    """

    machine: str
    section: str
    system: str
    domain: str
    normals: int
    above: int
    ci95: tuple[float, float]
    nominal: float

    @property
    def rate(self) -> float:
        """Share above the threshold."""
        return self.above / self.normals

    @property
    def smallest_attainable(self) -> float:
        """The smallest rate that so many clips can promise."""
        return 1 / (self.normals + 1)

    @property
    def warning(self) -> str | None:
        """Say so where the nominal rate cannot be promised of so many clips, whatever their scores."""
        if self.smallest_attainable <= self.nominal:
            return None
        return (
            f"{self.normals} {self.domain} clips cannot support {_percent(self.nominal)}: the smallest rate that they "
            f"can promise is 1/{self.normals + 1} = {_percent(self.smallest_attainable)}."
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
            "above": self.above,
            "rate": self.rate,
            "ci95": list(self.ci95),
            "nominal": self.nominal,
            "smallest_attainable": self.smallest_attainable,
            "sentence": self.sentence,
        }


def decisions(run: Run | str | Path, systems: Iterable[str] | None = None) -> list[FalsePositives]:
    """Count the train normals of a finished run that lie above the threshold, by system, machine, section and domain.

    systems : those to look at; all where none are named. No label is looked at. The threshold rests on the same train
    normals, so over both domains the rate is near the nominal one by construction: what it says is how they share it.
    """
    done = run if isinstance(run, Run) else load_run(run)
    rule = parse_portfolio(done.about["portfolio"]).decision
    known = set(done.systems["system"])
    wanted = known if systems is None else set(systems)
    if unknown := sorted(wanted - known):
        raise EvaluationError(f"{done.folder} has no system {unknown[0]!r}. It has {', '.join(sorted(known))}.")
    chosen = done.systems.filter(pl.col("system").is_in(sorted(wanted)) & (pl.col("role") == "oof"))
    above = pl.col("score") > pl.col("threshold")
    counted = (
        chosen.join(done.clips.select("clip", "machine", "section", "domain"), on="clip")
        .join(thresholds(chosen, done.clips, rule), on=["machine", "section", "system"])
        .group_by("system", "machine", "section", "domain")
        .agg(normals=pl.len(), above=above.sum())
        .sort("system", "machine", "section", "domain")
    )
    return [
        FalsePositives(
            row["machine"],
            row["section"],
            row["system"],
            row["domain"],
            row["normals"],
            row["above"],
            clopper_pearson(row["above"], row["normals"]),
            nominal_rate(rule.quantile),
        )
        for row in counted.iter_rows(named=True)
    ]


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial rate, from quantiles of the beta distribution."""
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
