"""A cluster that is not there, or not fit, is told in one message before the work."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

import asdcore
from asdcore.cluster import connection
from asdcore.cluster.connection import Cluster, _check_versions, connected
from asdcore.errors import AsdcoreError, ClusterError
from asdcore.progress import Silent

CommClosedError = pytest.importorskip("distributed.comm").CommClosedError


def about(python="3.11.7.final.0", distributed="2026.8.0"):
    return {"packages": {"python": python, "distributed": distributed, "dask": "2026.8.0", "cloudpickle": "3.1.2"}}


@pytest.mark.parametrize(
    ("scheduler", "worker", "told"),
    [
        (about(), about(python="3.11.9.final.0"), ""),
        (about(), about(python="3.12.1.final.0"), "Worker tcp://w:1 of node7 has Python 3.12, and this .* Python 3.11"),
        (about(distributed="2025.1.0"), about(), "The scheduler has distributed 2025.1.0, and this .* 2026.8.0"),
        (about(), {}, ""),
    ],
)
def test_other_versions_are_refused_with_the_name_of_their_host(scheduler, worker, told):
    versions = {"client": about(), "scheduler": scheduler, "workers": {"tcp://w:1": worker}}
    with pytest.raises(ClusterError, match=told) if told else nullcontext():
        _check_versions(versions, {"tcp://w:1": {"host": "node7"}})


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("tcp://127.0.0.1:9", "No Dask scheduler answers at tcp://127.0.0.1:9 within 1 s .*--cluster local"),
        ("nowhere", "No Dask scheduler answers at nowhere"),
        ("local:0", "needed is 'local', or 'local:2'"),
        ("local:many", "needed is 'local', or 'local:2'"),
        ("local:1000", "needed is 'local', or 'local:2'"),
        ("gone.json", "gone.json is not a scheduler file .*--scheduler-file gone.json"),
        ("deep.json", "deep.json is not a scheduler file .its tables and lists are nested more than 64 deep"),
    ],
)
def test_an_address_where_nothing_answers_is_told_before_the_work(where, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    monkeypatch.setattr(connection, "ANSWER", 1.0)
    with pytest.raises(ClusterError, match=told), connected(where, None, Silent()):
        pass


def test_processes_and_a_cluster_are_two_places(simple, dataset, tmp_path):
    with pytest.raises(ClusterError, match="give one of both. '--cluster local:3' starts 3 workers"):
        asdcore.run(simple, dataset, tmp_path / "run", workers=3, cluster="local")
    with pytest.raises(AsdcoreError, match="--workers must be at least 1 and at most 1,000, got 10{30}"):
        asdcore.run(simple, dataset, tmp_path / "run", workers=10**30)
    assert not (tmp_path / "run").exists()


def test_without_dask_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'asdcore\[cluster\]'"), connected("local", None, Silent()):
        pass


def test_a_cluster_that_nothing_needs_is_not_started(monkeypatch):
    monkeypatch.setattr(connection, "local_cluster", lambda *_: pytest.fail("started"))
    with connected("local", None, Silent()) as cluster:
        assert cluster.is_here


class Killed:
    """A client whose worker "b" was killed: the scheduler counts it as one for a while, and another still answers."""

    def __init__(self, counted_out: bool) -> None:
        self.counted_out, self.asked, self.looks = counted_out, 0, 0

    def scheduler_info(self, n_workers=5):
        self.looks += self.asked > 0
        left = {"a"} if self.counted_out and self.looks > 1 else {"a", "b"}
        return {"workers": {address: {"host": "node7"} for address in left}}

    def run(self, *_, workers=("a", "b"), on_error):
        self.asked += 1
        proof = SimpleNamespace(host="node7", notes=["it is slow"], troubles=[])
        return {address: proof if address == "a" else CommClosedError("closed") for address in workers}


@pytest.mark.parametrize(("counted_out", "troubles"), [(True, []), (False, ["b of node7"])])
def test_a_worker_killed_during_its_proof_is_no_reason_to_refuse_the_others(monkeypatch, counted_out, troubles):
    monkeypatch.setattr(connection.time, "sleep", lambda _: None)
    monkeypatch.setattr(Cluster, "wrong", lambda *_: [])
    with connected(Killed(counted_out), None, Silent()) as cluster:
        assert list(cluster.proven(None)) == troubles


class Three(Killed):
    """A client of three workers, of all of which the same is to be noted."""

    def scheduler_info(self, n_workers=5):
        return {"workers": {address: {"host": "node7"} for address in "abc"}}

    def run(self, *_, on_error):
        return {address: SimpleNamespace(host="node7", notes=["it is slow"], troubles=[]) for address in "abc"}


def test_what_is_to_be_noted_of_many_workers_is_one_note(monkeypatch, told):
    monkeypatch.setattr(Cluster, "wrong", lambda *_: [])
    with connected(Three(counted_out=False), None, told) as cluster:
        assert cluster.proven(None) == {}
    assert told.notes == ["worker a of node7 and 2 more: it is slow."]


def test_workers_of_this_machine_that_do_not_start_are_told_with_what_may_help(monkeypatch):
    def refuse(*_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(connection, "local_cluster", refuse)
    told = (
        r"\(Nanny failed to start\)\. A script may .*'--cluster local:1' needs less, and '--workers 1' does without\.$"
    )
    with pytest.raises(ClusterError, match=told), connected("local:2", None, Silent()) as cluster:
        cluster.workers()
