"""Compares thresholds that leave out single clips with thresholds that leave out groups, and with what labels show.

Clips of one recording are near-duplicates. A train normal that is scored against its own neighbours looks far more
normal than a new clip will, so a threshold from such scores gives more false positives than it promises. Train normals
alone show how many. The run is calibrated once more with every train normal left out alone (the features in the store
are enough). The train normals as the run scored them, without their groups, stand in for new clips. Their share above
that threshold is the rate that leave-one-out would really give.

If a run left train normals out alone although their order or recordings are known, the comparison is turned round: the
store's features give their scores as ``by = "auto"`` would have them, and these stand in for new clips above the run's
own threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.compute.recipes import features_digest
from asdcore.contract.plugins import Plugins, installed
from asdcore.errors import StoreError
from asdcore.evidence.false_alarms.decisions import run_groups, run_thresholds
from asdcore.evidence.false_alarms.false_positives import clopper_pearson
from asdcore.evidence.false_alarms.rates import Rates
from asdcore.execution import executor, run_jobs
from asdcore.held_out import Networks, out_of_fold, places
from asdcore.held_out.promises import effective_clips
from asdcore.portfolio import OutOfFold, Portfolio, parse_portfolio
from asdcore.runs.folder import Run
from asdcore.stages import calibrate, fuse
from asdcore.stages.decide import CELL, nominal_rate, thresholds
from asdcore.stages.scoring import score
from asdcore.store.cache import Store
from asdcore.store.tables import FULL, SCORES

__all__ = ["Rates", "dependent", "side_by_side", "why_nothing"]


def dependent(run: Run) -> bool:
    """Whether any train normal of a run was scored without more than itself."""
    return any(
        row["by"] != "clip" and any(domain["groups"] < domain["clips"] for domain in row["domains"].values())
        for row in run.about.get("out_of_fold", [])
    )


def side_by_side(run: Run, systems: Iterable[str] | None = None, labels: pl.DataFrame | None = None) -> list[Rates]:
    """Return the rates of a finished run, by system, machine, section and domain.

    Returns [] if nothing says that train clips are alike: :func:`why_nothing`. systems : those to look at, all by
    default, without mirrors of other systems. labels : clip, label (0 or 1) and domain of test clips, if they may be
    looked at. Raises StoreError if the store no longer has the features.
    """
    plan = _straight(parse_portfolio(run.about["portfolio"]), systems)
    if plan is None:
        return []
    apart, grouped = None, run
    if not dependent(run):
        if plan.out_of_fold.by == "auto" or (by_groups := _by_groups(run, plan)) is None:
            return []
        apart, grouped = calibrate.straight(run.scores).filter(role="oof"), by_groups
    alone = _calibrated_alone(grouped, plan.model_copy(update={"out_of_fold": OutOfFold(by="clip")}), apart)
    limits = thresholds(alone, run.clips, plan.decision).rename({"threshold": "alone"})
    both = limits.join(run_thresholds(grouped, plan.systems), on=CELL)
    train = _shares(grouped, alone, both).join(run_groups(grouped, plan.systems), on=["system", "clip"])
    came = _came(grouped, alone, both, labels)
    if came is not None and apart is not None:  # the threshold of leave-one-out is that of the run
        came = came.with_columns(came=pl.col("came_one_by_one"))
    rows = train.group_by(*CELL, "domain", maintain_order=True)
    nominal = nominal_rate(plan.decision.quantile)
    rates = [replace(_rates(cell, came, nominal), by_clip=apart is not None) for _, cell in rows]
    return sorted(rates, key=lambda rate: (rate.system, rate.machine, rate.section, rate.domain))


def why_nothing(run: Run, systems: Iterable[str] | None = None) -> str:
    """Explain why :func:`side_by_side` returns no rates for a run."""
    if _straight(parse_portfolio(run.about["portfolio"]), systems) is None:
        return "A mirror has models, not train normals, to compare: look at the system that it mirrors."
    train = run.clips.filter(pl.col("split") == "train").sort("clip")
    cells = (cell for _, cell in train.group_by("machine", "section"))
    if all(places(cell, OutOfFold(by="auto")).manner == "clip" for cell in cells):
        return (
            "Every train normal was left out alone, so a promise counts clips, and rests on no two being alike. "
            "The data set cannot confirm that: it names neither order nor recording of its train clips."
        )
    return (
        "Every train normal was left out alone, so a promise counts clips. Train normals next to each other in the "
        "order of recording are no more alike than others, as far as their features tell."
    )


def _straight(plan: Portfolio, systems: Iterable[str] | None) -> Portfolio | None:
    """Return the portfolio with only the systems asked for, without mirrors; None if none is left."""
    asked = None if systems is None else set(systems)
    wanted = {
        name: system
        for name, system in plan.systems.items()
        if system.out_of_fold_mirror_of is None and (asked is None or name in asked)
    }
    used = sorted(set().union(*(system.branches for system in wanted.values())))
    branches = {name: plan.branches[name] for name in used}
    return plan.model_copy(update={"systems": wanted, "branches": branches}) if wanted else None


def _by_groups(run: Run, plan: Portfolio) -> Run | None:
    """Return the run as ``by = "auto"`` would have it; None if that leaves every train normal out alone, too.

    It decides by the plain quantile, since few groups may allow no conformal threshold.
    """
    rule = plan.decision.model_copy(update={"rule": "ecdf"})
    plan = plan.model_copy(update={"out_of_fold": OutOfFold(by="auto"), "decision": rule})
    plugins, store = installed(), Store(Path(run.about["store"]))
    train = run.clips.filter(pl.col("split") == "train")
    jobs = _jobs(run, plan, train, plugins)
    left_out, _ = out_of_fold(score.scored(train, jobs, plugins))
    about = {**run.about, "portfolio": plan.model_dump(mode="json"), "out_of_fold": left_out}
    if not dependent(Run(run.folder, about)):
        return None
    tested = calibrate.straight(run.scores.filter(pl.col("branch").is_in(list(plan.branches)))).filter(role="test")
    apart = _left_out_alone(jobs, train, store)
    shared = ["branch", "machine", "section", "reference"]
    tested = tested.select(apart.columns).join(apart.select(shared).unique(), on=shared, how="semi")
    scores = pl.concat([apart, tested])
    systems = fuse.fuse(
        calibrate.calibrate(scores, run.clips, plan.branches, plugins), run.clips, plan.systems, plugins
    )
    return Run.held(
        run.folder,
        about,
        {"clips": run.clips, "scores": scores, "systems": systems, "decisions": run.decisions.clear()},
    )


def _calibrated_alone(run: Run, plan: Portfolio, apart: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the systems table of leave-one-out scores as "oof", and as "test" all other clips on that scale.

    The other clips are the test clips, and the train normals as the run scored them, without their groups. apart :
    leave-one-out scores, computed here if None.
    """
    plugins, used = installed(), list(plan.branches)
    if apart is None:
        train = run.clips.filter(pl.col("split") == "train")
        apart = _left_out_alone(_jobs(run, plan, train, plugins), train, Store(Path(run.about["store"])))
    apart = apart.filter(pl.col("branch").is_in(used)).select(list(SCORES.columns))
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
    networks = Networks.recorded(run.about, store.root)
    for name, branch in plan.branches.items():
        if features_digest(networks.variants(name, branch), plugins, device) != run.about["features"][name]:
            raise StoreError(
                f"the code or a library that computes the features of branch {name!r} has changed since. "
                "Run the portfolio again to see what leave-one-out would promise."
            )
    return {name: score.plan(train, name, plan, store, plugins, device, networks) for name in plan.branches}


def _left_out_alone(jobs: dict[str, list[score.ScoreJob]], train: pl.DataFrame, store: Store) -> pl.DataFrame:
    """Return the out-of-fold rows of a score table of train normals, left out as the jobs say."""
    missing = {job.path: job for group in jobs.values() for job in group if not job.is_done}
    with executor(1) as pool:
        for _ in run_jobs(pool, score.score_together, score.together(missing.values())):
            pass
    tables = [score.assemble(train, name, group, store) for name, group in jobs.items()]
    return calibrate.straight(pl.concat(tables)).filter(pl.col("role") == "oof").select(list(SCORES.columns))


def _shares(run: Run, alone: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Return for every train normal and system whether its scores exceed the thresholds: one_by_one, new, by_group."""
    clips = run.clips.filter(pl.col("split") == "train").select("clip", "machine", "section", "domain")
    over = partial(_over, clips=clips, limits=limits)
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
    clips = run.clips.filter(pl.col("split") == "test").select("clip", "machine", "section").join(normals, on="clip")
    over = partial(_over, clips=clips, limits=limits)
    tested = [
        over(table.filter(pl.col("role") == "test"), *names)
        for table, names in ((run.systems, ("threshold", "came")), (alone, ("alone", "came_one_by_one")))
    ]
    table = tested[0].join(tested[1], on=[*CELL, "domain", "clip"])
    return table.group_by(*CELL, "domain").agg(pl.col("came", "came_one_by_one").mean())


def _over(systems: pl.DataFrame, limit: str, name: str, *, clips: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    rows = systems.join(clips, on="clip").join(limits, on=CELL)
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
