"""Trains all networks of a portfolio that the store lacks: first the sound of the train clips, then each network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from asdcore.compute.training.relayed_progress import relays
from asdcore.contract.plugins import installed
from asdcore.execution import Elsewhere, run_jobs
from asdcore.held_out import NONE, Networks
from asdcore.portfolio import Portfolio
from asdcore.stages.training import train
from asdcore.stages.training.train_jobs import plan, together
from asdcore.store.cache import Store


class Run(Protocol):
    """The run that trains: its portfolio and places, what runs chunks, and what shows stages."""

    plan: Portfolio
    root: Path
    store: Store
    workers: int
    device: str | None
    cluster: Any

    def pool(
        self, recordings: Sequence[Path] = (), *, needed: bool = True
    ) -> AbstractContextManager[Executor | Elsewhere]:
        """Give what runs chunks."""
        ...

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show a stage."""
        ...


def train_all(clips: pl.DataFrame, run: Run) -> Networks:
    """Train what the store lacks, and return the trained networks; none of a portfolio that trains nothing.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index.
    run : Run
        The run under way.
    """
    jobs = plan(clips, run.root, run.plan, run.store, installed(), run.device)
    if not jobs:
        return NONE
    missing = together([job for job in jobs if not job.is_done])
    hearings = train.try_out(missing)
    chunks = [chunk for hearing in hearings for chunk in train.lacking(hearing)]
    heard = [job.clips[0].path for job in missing[:1]]
    with run.pool(heard, needed=bool(missing)) as pool:
        with run.stage("hear", sum(len(chunk.clips) for chunk in chunks)) as advance:
            for count in run_jobs(pool, train.hear, chunks):
                advance(count)
        with (
            run.stage("train", len(missing)) as advance,
            relays(missing, None if run.cluster else run.workers) as relayed,
        ):
            for _ in run_jobs(pool, train.train, relayed):
                advance(1)
    train.forget_waveforms(hearings)
    return Networks.of(run.plan, train.record(jobs, run.store.root), run.store.root)
