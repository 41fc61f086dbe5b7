"""Chunks go out and results come back, whatever happens to the workers; what cannot be is told in one message."""

from __future__ import annotations

import errno
import os
import random
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import asdcore
from asdcore.cluster import pool as pools
from asdcore.cluster.connection import Cluster
from asdcore.errors import ClusterError, DataError, LostDiskError
from asdcore.execution import run_jobs
from asdcore.progress import Silent

distributed = pytest.importorskip("distributed")


def raising(error):
    raise error


def warning(text):
    warnings.warn(text, UserWarning, stacklevel=1)
    return text


def process(_):
    return os.getpid()


@dataclass(frozen=True)
class OnDevice:
    """A job that needs a GPU."""

    device: str = "cuda"


@contextmanager
def killing(cluster, times):
    """Send SIGKILL to random workers of a cluster while something runs."""
    rng, ended, killed = random.Random(1), threading.Event(), []

    def kill():
        while len(killed) < times and not ended.wait(0.2 + rng.random()):
            # Dask gives up a worker that is killed while it starts.
            running = [
                nanny for nanny in cluster.workers.values() if nanny.process and nanny.process.status.name == "running"
            ]
            if pids := [nanny.pid for nanny in running if nanny.pid]:
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


def test_the_digests_are_those_of_one_process_though_workers_are_killed(dask, fused, dataset, tmp_path, told):
    here = asdcore.run(fused, dataset, tmp_path / "here", store=tmp_path / "one")
    with killing(dask, 2) as killed:
        there = asdcore.run(
            fused, dataset, tmp_path / "there", store=tmp_path / "two", cluster=dask.scheduler_address, progress=told
        )
    assert killed
    assert here.about["tables"] == there.about["tables"]
    assert [path for path in (tmp_path / "two").iterdir() if path.name.endswith("cluster")] == []


def test_a_run_that_finds_everything_in_the_store_asks_for_no_worker(simple, dataset, tmp_path, monkeypatch):
    asdcore.run(simple, dataset, tmp_path / "here")
    monkeypatch.setattr("asdcore.cluster.connection.local_cluster", lambda *_: pytest.fail("started"))
    again = asdcore.run(simple, dataset, tmp_path / "there", cluster="local")
    assert again.about["tables"] == asdcore.load_run(tmp_path / "here").about["tables"]


def test_values_errors_and_warnings_come_back(pool_of):
    pool = pool_of()
    assert sorted(run_jobs(pool, str.upper, "abc")) == ["A", "B", "C"]
    with pytest.raises(DataError, match=r"^too few \(on worker tcp://.* of .*\)$"):
        list(run_jobs(pool, raising, [DataError("too few")]))
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        list(run_jobs(pool, sys.exit, [3]))
    with pytest.raises(RuntimeError, match="its result does not travel"):
        list(run_jobs(pool, open, [os.devnull]))
    with pytest.warns(UserWarning, match="look at this"):
        assert list(run_jobs(pool, warning, ["look at this"])) == ["look at this"]


def test_results_that_have_come_are_let_go_and_few_chunks_are_under_way(pool_of, monkeypatch):
    monkeypatch.setattr(pools, "LEAST", 16)
    pool = pool_of()
    client, most = pool._cluster.client, 0
    for _ in run_jobs(pool, abs, range(150)):
        most = max(most, len(client.futures))
    assert 1 < most <= 3 * pools.LEAST  # Dask lets go a moment later


def test_what_needs_a_gpu_goes_to_workers_that_have_one_and_the_rest_to_others(dask, pool_of):
    pool = pool_of("cuda")
    with_gpu = set(run_jobs(pool, process, [OnDevice()] * 4))
    others = set(run_jobs(pool, process, range(4)))
    assert len(with_gpu) == len(others) == 1
    assert not with_gpu & others


def test_a_device_that_no_worker_has_is_told(pool_of, monkeypatch):
    monkeypatch.setattr("asdcore.cluster.connection.GPU", "NPU")
    with pytest.raises(ClusterError, match="--device cuda needs workers that have it.*--resources NPU=1"):
        pool_of("cuda")


def test_a_worker_that_comes_later_and_cannot_work_is_left_out(pool_of, told, monkeypatch):
    pool = pool_of()
    first = []

    def wrong(proof, needs):
        first.append(proof.worker)
        return ["it has lost its store"] if proof.worker == first[0] else []

    monkeypatch.setattr(pool._cluster, "wrong", wrong)
    assert len(set(run_jobs(pool, process, range(20)))) == 1
    assert any("is left out: it has lost its store." in note for note in told.notes)


def lose_disk(first):
    """Fail as on a lost disk, on the first worker that does this and on no other."""
    with suppress(FileExistsError), first.open("x") as file:
        file.write(str(os.getpid()))
    if first.read_text() == str(os.getpid()):
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/net/a.wav")
    return os.getpid()


def test_a_worker_that_loses_its_disk_is_left_out_and_its_chunks_go_to_others(pool_of, told, tmp_path):
    (done,) = set(run_jobs(pool_of(), lose_disk, [tmp_path / "first"] * 20))
    assert str(done) != (tmp_path / "first").read_text()
    (note,) = [note for note in told.notes if "is left out" in note]
    assert note.endswith("is left out: [Errno 107] Transport endpoint is not connected: '/net/a.wav'.")


def test_if_every_worker_has_lost_its_disk_the_run_ends_with_what_is_kept(pool_of):
    message = r"^2 of 2 workers cannot do this work.*What was finished is kept.*(\n  - tcp://.* of .*: The disk .*){2}$"
    with pytest.raises(ClusterError, match=message):
        list(run_jobs(pool_of(), raising, [LostDiskError("The disk of /net/a.wav does not answer.")] * 20))


def test_if_no_worker_can_work_all_are_named(pool_of, monkeypatch):
    pool = pool_of()
    monkeypatch.setattr(pool._cluster, "wrong", lambda *_: ["it has lost its store"])
    with pytest.raises(ClusterError, match=r"cannot do this work(.*\n  - tcp://.* of .*: it has lost its store\.)+"):
        list(run_jobs(pool, process, range(20)))


def test_a_scheduler_that_goes_ends_the_run_with_what_to_do(pool_of):
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=51
    )
    closing = threading.Timer(0.3, cluster.close)
    try:
        pool = pool_of(where=cluster.scheduler_address)
        closing.start()
        with pytest.raises(ClusterError, match="has gone. Start it and its workers anew. What was finished is kept"):
            list(run_jobs(pool, pause, [1.0]))
    finally:
        closing.join()


def test_workers_of_this_machine_that_dask_gives_up_are_started_anew(monkeypatch):
    scaled = []
    cluster = Cluster("local:2", None, Silent(), None)
    cluster.revive(0)  # none was started yet
    cluster._started = SimpleNamespace(scale=scaled.append), 2
    for left in (2, 1, 0):
        cluster.revive(left)
    assert scaled == [2, 2]


def pause(seconds):
    threading.Event().wait(seconds)


LOST = SimpleNamespace(allowed_failures=3, last_worker=SimpleNamespace(address="tcp://x:1"))


def killing_pool(logs, **about):
    """What runs jobs on a cluster whose nannies have these logs."""
    return pools.ClusterPool(SimpleNamespace(client=SimpleNamespace(get_worker_logs=lambda **_: logs), **about), None)


@pytest.mark.parametrize(
    ("logs", "told"),
    [
        ({}, "the pump chunk: 4 workers ended while they worked on it, the last one tcp://x:1.*--workers 1"),
        ({"tcp://x:1": (("WARNING", "Worker exceeded 95% memory budget. Restarting"),)}, "worker tcp://x:1 ran out of"),
    ],
)
def test_a_chunk_that_ends_every_worker_is_named_with_what_to_do(logs, told, monkeypatch):
    monkeypatch.setattr(pools, "LOGS", 1)
    with pytest.raises(ClusterError, match=told):
        killing_pool(logs, is_here=True)._count(pools._Chunk(SimpleNamespace(where="the pump chunk")), LOST)


def test_a_chunk_is_handed_out_again_until_too_many_have_died(told):
    pool = killing_pool({"x": ()}, is_here=False, note=told.note)
    chunk, died = pools._Chunk(SimpleNamespace(where="it")), 0
    with pytest.raises(ClusterError):
        while True:
            pool._count(chunk, LOST)
            died = chunk.deaths
    assert died == 28
    assert chunk.deaths > pools.DEATHS
    assert set(told.notes) == {"it: workers end while they work on it, the last one tcp://x:1. Others try it."}


def test_workers_without_memory_end_the_run_rather_than_let_it_wait(pool_of, monkeypatch):
    pool = pool_of()
    paused = {"tcp://x:1": {"status": "paused", "resources": {}}}
    monkeypatch.setattr(pool._cluster, "workers", lambda: paused)
    with pytest.raises(ClusterError, match="All 1 workers have paused, such as tcp://x:1"):
        for _ in range(pools.PAUSED):
            pool._beat()
