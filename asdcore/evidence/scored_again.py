"""Scores clips by the branches of a finished run that the run has not scored so: new ones, or under another machine.

Nothing is fitted to them. Scorers are those that the run's store keeps; what the store lacks is made as a run makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import polars as pl

from asdcore.contract.plugins import Plugins, installed
from asdcore.held_out import Networks
from asdcore.portfolio import Portfolio, System, parse_portfolio
from asdcore.runs.folder import Run
from asdcore.stages import calibrate
from asdcore.stages.embedding import embed
from asdcore.stages.scoring import score
from asdcore.store.cache import Store
from asdcore.store.tables import FULL


def calibrated_again(run: Run, names: Sequence[str], clips: pl.DataFrame) -> pl.DataFrame:
    """Return z of every clip of an index by some branches of a run: clip, branch, role, z.

    clips : a clip index; its train clips are those of the run, of the machines and sections that its test clips are of.
    """
    plan = _of_branches(run, names)
    return calibrate.calibrate(_scores(run, plan, clips), clips, plan.branches, installed())


def calibrated_by_folds(run: Run, names: Sequence[str], clips: pl.DataFrame) -> pl.DataFrame:
    """Return z of every clip by models that lack a fold of the train normals: clip, branch, role, fold, z.

    A train normal has one row of each branch, by the model that lacks its fold; a test clip one for each model. So a
    normal and a test clip of the same fold are scored by the very same model; of a crossfit its folds are meant, and
    the network that lacks one. What a network has learnt from train normals cannot be taken away by folds of a scorer:
    a branch with a network and no crossfit has fold -1, which is the model of all train normals, under which these have
    their out-of-fold scores.

    clips : see :func:`calibrated_again`.
    """
    networks, plan = Networks.recorded(run.about, Path(run.about["store"])), _of_branches(run, names)
    learnt = {
        name: branch for name, branch in plan.branches.items() if networks.has(name) and branch.encoder.crossfit is None
    }
    others = {name: branch for name, branch in plan.branches.items() if name not in learnt}
    tables = []
    if others:
        everything = System(weights=dict.fromkeys(others, 1.0))
        mirror = everything.model_copy(update={"out_of_fold_mirror_of": "all"})
        mirrored = plan.model_copy(update={"branches": others, "systems": {"all": everything, "mirror": mirror}})
        tables.append(calibrate.mirror(_scores(run, mirrored, clips), clips, others, installed()))
    if learnt:
        by_all = calibrated_again(run, list(learnt), clips).with_columns(fold=pl.lit(FULL, pl.Int32))
        tables.append(by_all.select("clip", "branch", "role", "fold", "z"))
    return pl.concat(tables)


def _of_branches(run: Run, names: Sequence[str]) -> Portfolio:
    plan = parse_portfolio(run.about["portfolio"])
    return plan.model_copy(update={"branches": {name: plan.branches[name] for name in names}})


def _scores(run: Run, plan: Portfolio, clips: pl.DataFrame) -> pl.DataFrame:
    """Return the score table of all branches of a plan, from the run's store as far as it has them."""
    store, plugins, root = Store(Path(run.about["store"])), installed(), Path(run.about["data"])
    device = None if run.about["device"] == "cpu" else str(run.about["device"])
    scored_by = (store, plugins, device, Networks.recorded(run.about, store.root))
    chunks = embed.plan(clips, root, plan.branches, *scored_by)
    embed.try_out(chunks, clips, root)
    for chunk in chunks:
        embed.embed(chunk)
    jobs = {name: score.plan(clips, name, plan, *scored_by) for name in plan.branches}
    missing = {job.path: job for group in jobs.values() for job in group if not job.is_done}
    with _heard_by_folds(plan, clips, root, scored_by) if missing else nullcontext():
        for alike in score.together(missing.values()):
            score.score_together(alike)
    return pl.concat([score.assemble(clips, name, group, store) for name, group in jobs.items()])


@contextmanager
def _heard_by_folds(
    plan: Portfolio, clips: pl.DataFrame, root: Path, scored_by: tuple[Store, Plugins, str | None, Networks]
) -> Iterator[None]:
    """Let the networks of a crossfit's folds hear test clips, too, as long as the block lasts.

    These hear train normals alone, and a manifest that was frozen of the run would call more features a difference. So
    they are not kept.
    """
    store, plugins, device, networks = scored_by
    tested, chunks = clips.filter(pl.col("split") == "test"), list[embed.EmbedJob]()
    for name in plan.mirrored:
        for network in networks.of_branch(name, plan.branches[name]):
            if network.fold != FULL:
                heard = tested.filter(pl.col("machine") == network.machine) if network.machine else tested
                chunks += embed.plan(heard, root, {name: network.branch}, store, plugins, device)
    try:
        for chunk in chunks:
            embed.embed(chunk)
        yield
    finally:
        for chunk in chunks:
            for shard in chunk.shards:
                shard.unlink(missing_ok=True)
