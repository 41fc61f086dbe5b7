"""Scores clips by the branches of a finished run that the run has not scored so: new ones, or under another machine.

Nothing is fitted to them. Scorers are those that the run's store keeps; what the store lacks is made as a run makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from asdcore.contract.plugins import installed
from asdcore.held_out import Networks
from asdcore.portfolio import parse_portfolio
from asdcore.runs.folder import Run
from asdcore.stages import calibrate, embed, score
from asdcore.store.cache import Store


def calibrated_again(run: Run, names: Sequence[str], clips: pl.DataFrame) -> pl.DataFrame:
    """Return z of every clip of an index by some branches of a run: clip, branch, role, z.

    clips : a clip index; its train clips are those of the run, of the machines and sections that its test clips are of.
    """
    plan = parse_portfolio(run.about["portfolio"])
    plan = plan.model_copy(update={"branches": {name: plan.branches[name] for name in names}})
    store, plugins, root = Store(Path(run.about["store"])), installed(), Path(run.about["data"])
    device = None if run.about["device"] == "cpu" else str(run.about["device"])
    scored_by = (store, plugins, device, Networks.recorded(run.about, store.root))
    chunks = embed.plan(clips, root, plan.branches, *scored_by)
    embed.try_out(chunks, clips, root)
    for chunk in chunks:
        embed.embed(chunk)
    jobs = {name: score.plan(clips, name, plan, *scored_by) for name in names}
    missing = {job.path: job for group in jobs.values() for job in group if not job.is_done}
    for alike in score.together(missing.values()):
        score.score_together(alike)
    scores = pl.concat([score.assemble(clips, name, group, store) for name, group in jobs.items()])
    return calibrate.calibrate(scores, clips, plan.branches, plugins)
