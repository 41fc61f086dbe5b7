"""Hands chunks to the workers of a cluster a portion at a time, and takes results as they come.

A future is let go when its result is here: what its worker still held would be computed again if that worker died. A
chunk whose workers die is handed out again, up to a number of deaths that a run on machines which are taken away does
not reach.
"""

from __future__ import annotations

import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from asdcore.cluster import errors
from asdcore.cluster.connection import GPU, Cluster
from asdcore.cluster.needs import Needs, written_down
from asdcore.cluster.worker import Answer, Call, perform
from asdcore.execution import Elsewhere, Job, Result, name_of
from asdcore.portfolio import Portfolio
from asdcore.store.disk.lost_disk import is_lost

if TYPE_CHECKING:
    from distributed.scheduler import KilledWorker

DEATHS = 30
"""Workers that may end while they work on one chunk: more than a machine that is taken away every minute makes."""

DEATHS_HERE = 3
"""The same on this machine, which nobody takes away."""

LEAST, PER_WORKER = 64, 4
"""Chunks under way at once: so many at least, and so many for each worker."""

BEAT = 5.0
"""Seconds of silence after which the cluster is looked at."""

PAUSED = 6
"""Beats after which workers that have paused are given up."""

ABSENT = 60
"""Beats after which workers of this machine that have all ended are given up."""

LOGS = 8
"""Seconds to wait for the logs of nannies: they come with a worker."""


@dataclass
class _Chunk:
    """A job, how many workers have ended while they worked on it, and which may do it: all, if none is named."""

    job: Any
    deaths: int = 0
    may: frozenset[str] = frozenset()


@contextmanager
def pool_on(
    cluster: Cluster, plan: Portfolio, store: Path, recordings: Iterable[Path], only: Iterable[str] | None
) -> Iterator[ClusterPool]:
    """Give what runs the chunks of a portfolio, once every worker has proven that it can.

    recordings : some that every worker must be able to read. only : the plugins that may be loaded, None for all.
    """
    cluster.await_workers()
    with written_down(plan, store, recordings, only) as needs:
        if troubles := cluster.proven(needs):
            raise errors.refused(troubles, len(cluster.workers()))
        yield ClusterPool(cluster, needs)


class ClusterPool(Elsewhere):
    """Runs jobs on the workers of a cluster that have proven that they can."""

    def __init__(self, cluster: Cluster, needs: Needs) -> None:
        self._cluster, self._needs = cluster, needs
        self._refused: dict[str, tuple[str, list[str]]] = {}
        self._seen: set[str] = set()
        self._workers: dict[str, dict[str, Any]] = {}
        self._looked = 0.0
        self._silent = 0

    def run(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Run ``work`` on every job and yield results as they come; the first error cancels what has not begun.

        Raises ClusterError if the scheduler goes, no worker can do the work, or a chunk ends every worker.
        """
        waiting, done = iter(jobs), SimpleQueue[Future[bytes]]()
        under_way: dict[Future[bytes], _Chunk] = {}

        def submit(chunk: _Chunk) -> None:
            call = pickle.dumps(Call(perform, self._needs, work, chunk.job))
            future = self._executor(chunk).submit(pickle.loads, call)
            under_way[future] = chunk
            future.add_done_callback(done.put)

        try:
            while True:
                self._look()
                while len(under_way) < max(LEAST, PER_WORKER * len(self._workers)):
                    if (job := next(waiting, self)) is self:
                        break
                    submit(_Chunk(job))
                if not under_way:
                    return
                try:
                    future = done.get(timeout=BEAT)
                except Empty:
                    self._beat()
                    for chunk in self._stranded(under_way):
                        submit(chunk)
                    continue
                self._silent = 0
                if future not in under_way:  # handed to other workers meanwhile
                    continue
                chunk = under_way.pop(future)
                answer = self._answer(future, chunk)
                del future
                if answer is None:
                    submit(chunk)
                else:
                    yield answer.value
        finally:
            for future in under_way:
                future.cancel()

    def _answer(self, future: Future[bytes], chunk: _Chunk) -> Answer | None:
        """Return what came of a chunk, None if it must be handed out again. Raises the error that it ended with."""
        from distributed.scheduler import KilledWorker

        try:
            answer: Answer = pickle.loads(future.result())
        except CancelledError:
            raise errors.gone(self._cluster.address) from None
        except KilledWorker as error:
            self._count(chunk, error)
            return None
        except (ImportError, AttributeError, pickle.PickleError, TypeError, EOFError) as error:
            # A worker that came later, and has not what it needs to read its work.
            if not self._refuse(self._cluster.proven(self._needs)):
                raise errors.on_worker(error, "unknown") from error
            return None
        label = self._cluster.label(answer.address, answer.proof.host)
        if answer.proof.worker not in self._seen:
            if wrong := self._cluster.wrong(answer.proof, self._needs):
                self._refuse({label: wrong})
                return None
            self._seen.add(answer.proof.worker)
        for text, category in answer.warnings:
            warnings.warn(text, category, stacklevel=2)
        if answer.error is not None and is_lost(answer.error) and not self._cluster.is_here:
            # Of this machine alone, perhaps. If it is everyone's, none is left.
            self._refuse({label: [str(answer.error)]})
            return None
        if answer.error is not None:
            raise answer.error if self._cluster.is_here else errors.on_worker(answer.error, label)
        return answer

    def _count(self, chunk: _Chunk, error: KilledWorker) -> None:
        """Count the deaths of workers on a chunk; raises ClusterError if memory ran out, or there are too many."""
        chunk.deaths += error.allowed_failures + 1
        name, last = name_of(chunk.job), str(error.last_worker.address)
        if self._ran_out_of_memory():
            raise errors.out_of_memory(name, last)
        if chunk.deaths > (DEATHS_HERE if self._cluster.is_here else DEATHS):
            raise errors.killed(name, chunk.deaths, last)
        self._cluster.note(f"{name}: workers end while they work on it, the last one {last}. Others try it.")

    def _ran_out_of_memory(self) -> bool:
        """Whether a nanny has said so lately. It is asked by its worker, which may just be started anew."""
        for _ in range(LOGS):
            with suppress(Exception):  # the logs are gone with their machine
                if logs := self._cluster.client.get_worker_logs(n=50, nanny=True):
                    return any(errors.MEMORY in str(line) for lines in logs.values() for line in lines)
            time.sleep(1)
        return False

    def _refuse(self, troubles: dict[str, list[str]]) -> bool:
        """Leave workers out from now on, and say so. Raises ClusterError if none is left; returns whether any was."""
        for label, problems in troubles.items():
            if (address := label.partition(" ")[0]) not in self._refused:
                self._refused[address] = label, problems
                self._cluster.note(f"worker {label} is left out: {'; '.join(problems).removesuffix('.')}.")
        self._look(now=True)
        if troubles and self._workers and self._workers.keys() <= self._refused.keys():
            left_out = dict(self._refused[address] for address in self._workers)
            raise errors.refused(left_out, len(left_out), errors.KEPT)
        return bool(troubles)

    def _executor(self, chunk: _Chunk) -> Any:
        """Return the executor for a chunk: workers with a GPU do what needs one, others the rest."""
        on_gpu = bool(self._cluster.device) and getattr(chunk.job, "device", None) is not None
        can = frozenset(self._workers.keys() - self._refused.keys())
        others = frozenset(address for address in can if GPU not in self._workers[address]["resources"])
        spared = others if self._cluster.device and not on_gpu else frozenset()
        chunk.may = spared or (can if self._refused else frozenset())
        limits: dict[str, Any] = {"resources": {GPU: 1}} if on_gpu else {}
        # pure=False: equal calls are two, also those of an earlier run.
        return self._cluster.client.get_executor(
            pure=False, **limits, **({"workers": sorted(chunk.may)} if chunk.may else {})
        )

    def _stranded(self, under_way: dict[Future[bytes], _Chunk]) -> list[_Chunk]:
        """Take back chunks whose workers have all gone: one that is started anew has another address."""
        lost = [each for each, chunk in under_way.items() if chunk.may and not chunk.may & self._workers.keys()]
        chunks = [under_way.pop(future) for future in lost]
        for future in lost:
            future.cancel()
        return chunks

    def _look(self, *, now: bool = False) -> None:
        """Ask which workers there are, if that is some seconds ago."""
        if now or time.monotonic() - self._looked > BEAT:
            self._workers, self._looked = self._cluster.workers(), time.monotonic()
            self._cluster.revive(len(self._workers))
            with suppress(OSError):  # what lies here for a day is taken for a dead run's
                os.utime(self._needs.folder.parent)

    def _beat(self) -> None:
        """Say so if no worker is there, or at work. Raises ClusterError if all of them lack memory for long."""
        self._look(now=True)
        self._silent += 1
        if not self._workers:
            self._cluster.note("no worker is left: waiting for one. What was finished is kept.")
            if self._cluster.is_here and self._silent >= ABSENT:
                raise errors.all_ended()
        paused = [address for address, worker in self._workers.items() if worker.get("status") == "paused"]
        # Dask goes on when their memory is free again, and what libraries keep is not.
        if paused and len(paused) == len(self._workers) and self._silent >= PAUSED:
            raise errors.paused(paused[0], len(paused))
