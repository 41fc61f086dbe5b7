"""Runs chunks of work, in this process, in local processes, or elsewhere.

A chunk is a function call with plain arguments that writes its result to the store under a name that its inputs
determine, and returns something small. It may run anywhere, in any order, and twice. So one seam, shaped like
``concurrent.futures.Executor``, is enough to move work to other processes; :class:`Elsewhere` takes it to machines.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

from asdcore.errors import AsdcoreError, plain_warnings

MOST = 1000
"""Local processes: Python's pool asks the system for locks for each of them at once."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Elsewhere(ABC):
    """What runs jobs on other machines."""

    @abstractmethod
    def run(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Run ``work`` on every job and yield results as they come."""


class InProcess(Executor):
    """Runs every call at once, in this process."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Run the call and return its finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def check_number(workers: int) -> None:
    """Raise AsdcoreError for a number of local processes that no machine has."""
    if not 1 <= workers <= MOST:
        raise AsdcoreError(f"--workers must be at least 1 and at most {MOST:,}, got {workers}.")


@contextmanager
def executor(workers: int, prepare: Callable[[], object] | None = None) -> Iterator[Executor]:
    """Give an executor: this process for 1 worker, as many local processes for more.

    ``prepare`` runs first in each of those processes: what this process has set up for itself must hold there too.

    Raises AsdcoreError if the system does not allow local processes.
    """
    check_number(workers)
    if workers == 1:
        yield InProcess()
        return
    with _allowed():
        # A forked child inherits the locks of torch's and polars' threads in whatever state they were.
        pool = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start, initargs=(workers, prepare)
        )
    others = set(active_children())
    with pool:
        try:
            yield pool
        except AsdcoreError as error:
            if isinstance(error.__cause__, BrokenExecutor):
                # A worker that was just starting may outlive the pool's own SIGTERM, which would wait for it for ever.
                for worker in set(active_children()) - others:
                    worker.kill()
            raise


def run_jobs(pool: Executor | Elsewhere, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Run ``work`` on every job and yield results as they come; the first error cancels what has not begun.

    Raises AsdcoreError if a worker process ends before its work does.
    """
    if isinstance(pool, InProcess | Elsewhere):
        yield from map(work, jobs) if isinstance(pool, InProcess) else pool.run(work, jobs)
        return
    futures: list[Future[Result]] = []
    try:
        with _allowed():
            futures.extend(pool.submit(shielded, work, job) for job in jobs)
        # The pool forgets its processes once one is lost.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenExecutor as error:
                raise AsdcoreError(_lost(_exit_codes(processes))) from error
            yield result
    finally:
        for future in futures:
            future.cancel()


def shielded(work: Callable[[Job], Result], job: Job) -> Result:
    """Run a job in a worker, and replace an error that does not pickle by one that does.

    Exceptions of many libraries pickle and do not unpickle. The parent would then see only a lost worker.
    """
    try:
        return work(job)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            trace = "".join(traceback.format_exception(error))
            raise RuntimeError(f"{type(error).__name__}: {error}\n{trace}") from None
        raise


@contextmanager
def _allowed() -> Iterator[None]:
    """Say what to do if the system refuses to start processes, or the locks that they share."""
    try:
        yield
    except (OSError, ImportError, RuntimeError) as error:
        if isinstance(error, BrokenExecutor):
            raise AsdcoreError(_lost([])) from error
        raise AsdcoreError(
            f"This system does not let asdcore start worker processes ({error}). They need a /dev/shm that may be "
            "written, and room for more processes. '--workers 1' does without: it works in this process."
        ) from error


def _exit_codes(processes: list[Any]) -> list[int | None]:
    """Return the exit codes of the processes of a lost pool, once its own thread has ended them all."""
    codes = [process.exitcode for process in processes]
    deadline = time.monotonic() + 5
    while None in codes and time.monotonic() < deadline:
        time.sleep(0.01)
        codes = [process.exitcode for process in processes]
    return codes


def _lost(exit_codes: list[int | None]) -> str:
    """Say how a worker was lost. The pool ends the others with SIGTERM, so their exit codes say nothing."""
    told = [code for code in exit_codes if code not in (None, 0, -signal.SIGTERM)]
    code = told[0] if told else None
    if code is not None and code < 0:
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})"
    else:
        how = "ended" if code is None else f"ended with exit code {code}"
    reasons = {
        -signal.SIGKILL: " The system does that when memory runs out: fewer --workers need less.",
        1: " A script may use workers only under 'if __name__ == \"__main__\":', for each worker imports it anew.",
    }
    return (
        f"A worker process {how} before its work was done.{reasons.get(code or 0, '')} What was finished is kept: the "
        "same command goes on from there, with '--workers 1' in one process."
    )


def _start(workers: int, prepare: Callable[[], object] | None) -> None:
    """Give each worker process its share of the cores, before any library starts its threads.

    An interrupt is the parent's to handle: it stops handing out chunks and lets those under way be finished.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plain_warnings()
    share = str(max(1, (os.cpu_count() or 1) // workers))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(variable, share)
    if prepare:
        prepare()
