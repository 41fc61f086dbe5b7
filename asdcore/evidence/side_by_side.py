"""What a threshold promises clip by clip, beside what it promises group by group, and what really came.

Clips of one recording are near-duplicates. A train normal that is scored against its own neighbours looks far more
normal than a new clip will, and a threshold from such scores promises too little. How much so is seen from train
normals alone: the run is calibrated once more with every train normal left out alone (what the store holds of its
features is enough), and the train normals as the run scored them, without their groups, stand in for new clips. The
share of them above that threshold is what leave-one-out would really give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.contract.plugins import Plugins, installed
from asdcore.errors import StoreError
from asdcore.evidence.decisions import clopper_pearson, run_groups, run_thresholds
from asdcore.evidence.promises import effective_clips
from asdcore.execution import executor, run_jobs
from asdcore.portfolio import OutOfFold, Portfolio, parse_portfolio
from asdcore.runs import Run
from asdcore.stages import calibrate, fuse, score
from asdcore.stages.decide import nominal_rate, thresholds
from asdcore.store.cache import Store
from asdcore.store.recipes import features_digest
from asdcore.store.tables import FULL, SCORES

CELL = ["machine", "section", "system"]
DISAGREE = 2.0
"""How many times the nominal rate leave-one-out must give, with its interval above it, before it is said aloud."""

FEWEST = 5
"""Groups of a domain of which anything can be told: without one of two, a clip has little left that is like it."""


@dataclass(frozen=True)
class Rates:
    """False positives of one machine, section, system and domain, as shares of train normals and of test normals.

    groups : of the train normals (recordings, runs). nominal : what the decision rule aims at. one_by_one :
    the share above the threshold of leave-one-out scores, of those scores. new : the same, of train normals scored
    without their groups, as new clips are; ci95 counts what these clips are worth. by_group : the share above the run's
    own threshold. came, came_one_by_one : of labelled test normals, above the run's threshold and above that of
    leave-one-out; None where there are no labels.
    """

    machine: str
    section: str
    system: str
    domain: str
    normals: int
    groups: int
    nominal: float
    one_by_one: float
    new: float
    ci95: tuple[float, float]
    by_group: float
    came: float | None = None
    came_one_by_one: float | None = None

    @property
    def enough(self) -> bool:
        """Whether there are groups enough to tell what leave-one-out gives."""
        return self.groups >= FEWEST

    @property
    def disagree(self) -> bool:
        """Whether leave-one-out gives clearly more false positives than it promises."""
        return self.enough and self.ci95[0] > self.nominal and self.new >= DISAGREE * self.nominal

    @property
    def sentence(self) -> str:
        """Say what each kind of calibration promises, in one sentence."""
        where = f"{self.system}, {self.machine} section {self.section}, {self.domain}"
        came = (
            ""
            if self.came_one_by_one is None
            else f"; of the labelled test normals {_percent(self.came_one_by_one)} lie above its threshold"
        )
        if not self.enough:
            return (
                f"{where}: {self.normals} clips in {self.groups} run{'s' * (self.groups > 1)} are too few to tell what "
                f"leave-one-out would give{came}."
            )
        if not self.disagree:
            return (
                f"{where}: leave-one-out would promise {_percent(self.nominal)} and give about {_percent(self.new)}"
                f"{came}."
            )
        return (
            f"{where}: neighbouring clips are near-duplicates: leave-one-out would promise {_percent(self.nominal)} "
            f"and give {_percent(self.new)}{came}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers."""
        return {
            **asdict(self),
            "ci95": list(self.ci95),
            "enough": self.enough,
            "disagree": self.disagree,
            "sentence": self.sentence,
        }


def dependent(run: Run) -> bool:
    """Whether any train normal of a run was scored without more than itself."""
    return any(
        row["by"] != "clip" and any(one["groups"] < one["clips"] for one in row["domains"].values())
        for row in run.about.get("out_of_fold", [])
    )


def side_by_side(run: Run, systems: Iterable[str] | None = None, labels: pl.DataFrame | None = None) -> list[Rates]:
    """Return the rates of a finished run, by system, machine, section and domain; [] where clips were left out alone.

    systems : those to look at; all where none are named. Mirrors of other systems are left out. labels : clip, label
    (0 or 1) and domain of test clips, where they may be looked at. Raises StoreError where the store no longer has the
    features.
    """
    plan = parse_portfolio(run.about["portfolio"])
    straight = {name: one for name, one in plan.systems.items() if one.out_of_fold_mirror_of is None}
    wanted = {name: one for name, one in straight.items() if systems is None or name in set(systems)}
    if not wanted or not dependent(run):
        return []
    plan = plan.model_copy(update={"systems": wanted, "out_of_fold": OutOfFold(by="clip")})
    alone = _calibrated_alone(run, plan)
    limits = thresholds(alone, run.clips, plan.decision).rename({"threshold": "alone"})
    own = run_thresholds(run, wanted)
    both = limits.join(own, on=CELL)
    train = _shares(run, alone, both).join(run_groups(run, wanted), on=["system", "clip"])
    came = _came(run, alone, both, labels)
    rows = train.group_by(*CELL, "domain", maintain_order=True)
    found = [_rates(rows, came, nominal_rate(plan.decision.quantile)) for _, rows in rows]
    return sorted(found, key=lambda one: (one.system, one.machine, one.section, one.domain))


def _calibrated_alone(run: Run, plan: Portfolio) -> pl.DataFrame:
    """Return the systems table of leave-one-out scores as "oof", and as "test" all other clips on that scale.

    Those are the test clips, and the train normals as the run scored them, without their groups.
    """
    plugins = installed()
    train = run.clips.filter(pl.col("split") == "train")
    used = sorted(set().union(*(one.branches for one in plan.systems.values())))
    plan = plan.model_copy(update={"branches": {name: plan.branches[name] for name in used}})
    jobs = _jobs(run, plan, train, plugins)
    apart = _left_out_alone(jobs, train, Store(Path(run.about["store"])))
    kept = calibrate.straight(run.scores.filter(pl.col("branch").is_in(used)))
    new = kept.with_columns(role=pl.lit("test"), fold=pl.lit(FULL, dtype=SCORES.columns["fold"]))
    shared = ["branch", "machine", "section", "reference"]
    new = new.join(apart.select(shared).unique(), on=shared, how="semi")
    apart = apart.join(new.select(shared).unique(), on=shared, how="semi")
    calibrated = calibrate.calibrate(pl.concat([apart, new]), run.clips, plan.branches, plugins)
    return fuse.fuse(calibrated, run.clips, plan.systems, plugins)


def _jobs(run: Run, plan: Portfolio, train: pl.DataFrame, plugins: Plugins) -> dict[str, list[score.ScoreJob]]:
    """Return the work of scoring train normals by every branch."""
    device, store = run.about.get("device"), Store(Path(run.about["store"]))
    for name, branch in plan.branches.items():
        if features_digest(branch, plugins, device) != run.about["features"][name]:
            raise StoreError(
                f"the code or a library that computes the features of branch {name!r} has changed since. "
                "Run the portfolio again to see what leave-one-out would promise."
            )
    return {name: score.plan(train, name, plan, store, plugins, device) for name in plan.branches}


def _left_out_alone(jobs: dict[str, list[score.ScoreJob]], train: pl.DataFrame, store: Store) -> pl.DataFrame:
    """Return the out-of-fold rows of a score table in which every train normal is left out alone."""
    missing = {job.path: job for group in jobs.values() for job in group if not job.path.exists()}
    with executor(1) as pool:
        for _ in run_jobs(pool, score.score_together, score.together(missing.values())):
            pass
    tables = [score.assemble(train, name, group, store) for name, group in jobs.items()]
    return calibrate.straight(pl.concat(tables)).filter(pl.col("role") == "oof").select(list(SCORES.columns))


def _shares(run: Run, alone: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Return, of every train normal and system, above which threshold its scores lie: one_by_one, new and by_group."""
    known = run.clips.filter(pl.col("split") == "train").select("clip", "machine", "section", "domain")
    over = partial(_over, known=known, limits=limits)
    own = run.systems.filter(pl.col("role") == "oof")
    key = [*CELL, "domain", "clip"]
    table = over(alone.filter(pl.col("role") == "oof"), "alone", "one_by_one")
    table = table.join(over(alone.filter(pl.col("role") == "test"), "alone", "new"), on=key)
    return table.join(over(own, "threshold", "by_group"), on=key)


def _came(run: Run, alone: pl.DataFrame, limits: pl.DataFrame, labels: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return the shares of labelled test normals above either threshold, by system, machine, section and domain."""
    if labels is None:
        return None
    normals = labels.filter(pl.col("label") == 0).select("clip", "domain")
    known = run.clips.filter(pl.col("split") == "test").select("clip", "machine", "section").join(normals, on="clip")
    over = partial(_over, known=known, limits=limits)
    tested = [
        over(table.filter(pl.col("role") == "test"), *names)
        for table, names in ((run.systems, ("threshold", "came")), (alone, ("alone", "came_one_by_one")))
    ]
    table = tested[0].join(tested[1], on=[*CELL, "domain", "clip"])
    return table.group_by(*CELL, "domain").agg(pl.col("came", "came_one_by_one").mean())


def _over(systems: pl.DataFrame, limit: str, name: str, *, known: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    rows = systems.join(known, on="clip").join(limits, on=CELL)
    return rows.select(*CELL, "domain", "clip", (pl.col("score") > pl.col(limit)).alias(name))


def _rates(rows: pl.DataFrame, came: pl.DataFrame | None, nominal: float) -> Rates:
    """Count the train normals of one machine, section, system and domain."""
    first: dict[str, Any] = {key: str(rows[key][0]) for key in (*CELL, "domain")}
    n = len(rows)
    worth = effective_clips(rows["new"], rows["group"])
    new = float(rows["new"].sum()) / n
    tested: Mapping[str, Any] = {}
    if came is not None:
        tested = next(iter(came.filter(**first).select("came", "came_one_by_one").to_dicts()), {})
    return Rates(
        **first,
        normals=n,
        groups=rows["group"].n_unique(),
        nominal=nominal,
        one_by_one=float(rows["one_by_one"].sum()) / n,
        new=new,
        ci95=clopper_pearson(new * worth, worth),
        by_group=float(rows["by_group"].sum()) / n,
        **tested,
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
