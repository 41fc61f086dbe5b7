"""A run on a cluster is the run: the same digests, whatever happens to its workers."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

import asdcore
from asdcore.cluster import pool as pools
from asdcore.cluster.connection import connected
from asdcore.cluster.pool import pool_on
from asdcore.errors import ClusterError, DataError
from asdcore.execution import run_jobs
from asdcore.portfolio import load_portfolio
from asdcore.progress import Silent

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def dask():
    """A cluster of two workers, as a user would have started it."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL + 1
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def few(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("few"), ("fan", "pump"), source=60, target=6, test=2)


class Told(Silent):
    """Keeps notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def pool(dask, simple, tmp_path, told):
    """What runs jobs on the cluster."""
    (tmp_path / "store").mkdir()
    with (
        connected(dask.scheduler_address, None, told) as cluster,
        pool_on(cluster, load_portfolio(simple), tmp_path / "store", [], None) as pool,
    ):
        yield pool


def test_the_same_digests_as_one_process(dask, fused, few, tmp_path):
    here = asdcore.run(fused, few, tmp_path / "here", store=tmp_path / "one")
    there = asdcore.run(fused, few, tmp_path / "there", store=tmp_path / "other", cluster=dask.scheduler_address)
    assert here.about["tables"] == there.about["tables"]


def test_workers_that_are_killed_lose_nothing(dask, fused, few, tmp_path):
    here = asdcore.run(fused, few, tmp_path / "here", store=tmp_path / "one")
    with killing(dask, 3) as killed:
        there = asdcore.run(fused, few, tmp_path / "there", store=tmp_path / "other", cluster=dask.scheduler_address)
    assert len(killed) >= 2
    assert here.about["tables"] == there.about["tables"]


@contextmanager
def killing(cluster, times):
    """Send SIGKILL to random workers of a cluster while something runs."""
    rng, ended, killed = random.Random(1), threading.Event(), []

    def kill():
        while len(killed) < times and not ended.wait(0.3 + rng.random()):
            if pids := [nanny.pid for nanny in cluster.workers.values() if nanny.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid := rng.choice(pids), signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def throw(error):
    raise error


def test_results_come_back_as_they_are_and_errors_with_their_class_and_worker(pool):
    assert sorted(run_jobs(pool, str.upper, "abc")) == ["A", "B", "C"]
    with pytest.raises(DataError, match=r"too few \(on worker tcp://.* of .*\)"):
        list(run_jobs(pool, throw, [DataError("too few")]))
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        list(run_jobs(pool, sys.exit, [3]))


def test_a_chunk_that_ends_every_worker_is_named_with_what_to_do(pool, monkeypatch):
    monkeypatch.setattr(pools, "DEATHS", 0)
    with pytest.raises(ClusterError, match=r"int: 4 workers ended while.*--workers 1.*the same command goes on"):
        list(run_jobs(pool, os._exit, [7]))
