"""A scheduler that is killed, and a worker that its nanny ends: real processes, really killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

import asdcore
from asdcore.errors import ClusterError
from asdcore.execution import run_jobs
from asdcore.progress import Silent

distributed = pytest.importorskip("distributed")


@contextmanager
def started(command, file):
    """Run a command of Dask as a process of its own; give the process."""
    arguments = ["--scheduler-file", file, "--host", "127.0.0.1", "--no-dashboard"]
    module = [sys.executable, "-m", f"distributed.cli.dask_{command}"]
    extra = ["--port", "0"] if command == "scheduler" else ["--no-nanny", "--nthreads", "1", "--death-timeout", "60"]
    process = subprocess.Popen(
        [*map(str, module + arguments + extra)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster_of_processes(file):
    """Start a scheduler and a worker as a user would; give the scheduler's process."""
    with ExitStack() as stack:
        scheduler = stack.enter_context(started("scheduler", file))
        deadline = time.monotonic() + 60
        while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        stack.enter_context(started("worker", file))
        yield scheduler


class KillsAt(Silent):
    """Kills a process when a stage begins."""

    def __init__(self, process, stage):
        self._process, self._stage = process, stage

    def stage(self, name, total):
        if name == self._stage:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        return super().stage(name, total)


def test_the_digests_are_the_same_after_the_scheduler_was_killed_and_the_command_given_again(simple, dataset, tmp_path):
    here = asdcore.run(simple, dataset, tmp_path / "here", store=tmp_path / "one")
    how = {"store": tmp_path / "two", "cluster": str(tmp_path / "scheduler.json")}
    message = r"has gone. Start it and its workers anew. What was finished is kept"
    alone = cluster_of_processes(tmp_path / "scheduler.json")
    with alone as scheduler, pytest.raises(ClusterError, match=message):
        asdcore.run(simple, dataset, tmp_path / "there", progress=KillsAt(scheduler, "score"), **how)
    assert not (tmp_path / "there").exists()
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "features").glob("*/*.parquet")}
    assert shards
    (tmp_path / "scheduler.json").unlink()
    with cluster_of_processes(tmp_path / "scheduler.json"):
        there = asdcore.run(simple, dataset, tmp_path / "there", **how)
    assert here.about["tables"] == there.about["tables"]
    assert {path: path.stat().st_mtime_ns for path in shards} == shards


@dataclass(frozen=True)
class Hoard:
    """A chunk of work that needs more memory than there is."""

    where: str = "branch 'large', pump section 00"


def hoard(_):
    """Take memory faster than a nanny can miss, and never more than 3 GB."""
    held = []
    for _ in range(60):
        held.append(bytearray(b"x") * 50_000_000)
        time.sleep(0.1)
    return len(held)


def test_a_worker_that_runs_out_of_memory_is_told_with_host_and_chunk(pool_of):
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.worker.memory.pause": False}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit="1GB", dashboard_address=":0", silence_logs=51
        ) as cluster,
    ):
        pool = pool_of(where=cluster.scheduler_address)
        with pytest.raises(ClusterError) as told:
            list(run_jobs(pool, hoard, [Hoard()]))
    message = str(told.value)
    assert message.startswith("branch 'large', pump section 00: worker tcp://127.0.0.1:"), message
    assert "ran out of memory and was ended by its nanny" in message
    assert "\n" not in message
